using System.Text;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Replaces every secret in the lines of one stream by <c>***</c>; overlapping secrets are masked together. A line can come in pieces: an end that
/// can be the start of a secret is held back until more text arrives.
/// </summary>
internal sealed class SecretMask(SecretForms forms)
{
    private const string Mask = "***";
    private const int MostHeld = 64 * 1024;   // characters beyond the length of a secret

    private string _held = "";
    private int _hidden;   // the first characters of _held that an emitted mask already covers

    /// <summary>Whether text is held back.</summary>
    public bool HasHeld => _held.Length > _hidden;

    /// <summary>The text that can be emitted now.</summary>
    /// <param name="isWhole">Nothing follows in its line.</param>
    public string Of(string piece, bool isWhole)
    {
        if (forms.IsEmpty)
            return piece;
        var text = _held.Length == 0 ? piece : _held + piece;
        var from = _hidden;
        var end = isWhole ? text.Length : text.Length - forms.Begun(text);
        (_held, _hidden) = ("", 0);
        StringBuilder? masked = null;
        for (var run = RunFrom(text, 0); run.Start >= 0; run = RunFrom(text, run.End))
        {
            if (run.End > end && run.Start < end)
            {
                if (text.Length - run.Start <= MostHeld + forms.Longest)
                    end = run.Start;
                else
                    return GiveUp(text, masked, from, run.Start);
            }
            if (run.Start >= end)
                break;
            masked ??= new StringBuilder(text.Length);
            if (run.Start >= from)
                masked.Append(text, from, run.Start - from).Append(Mask);
            from = Math.Max(from, run.End);
        }
        // Text that was masked before is at the beginning; if it is held again, it stays masked.
        (_held, _hidden) = end < text.Length ? (text[end..], Math.Max(0, from - end)) : ("", 0);
        var begin = Math.Min(from, end);
        return masked is null ? begin == 0 && end == text.Length ? text : text[begin..end] : masked.Append(text, begin, end - begin).ToString();
    }

    /// <summary>Secrets that overlap themselves could continue for ever. Masks everything up to here, and keeps enough text to detect what follows.</summary>
    private string GiveUp(string text, StringBuilder? masked, int from, int start)
    {
        masked ??= new StringBuilder();
        if (start >= from)
            masked.Append(text, from, start - from).Append(Mask);
        _held = text[^(forms.Longest - 1)..];
        _hidden = _held.Length;
        return masked.ToString();
    }

    /// <summary>The next secret, joined with all that overlap it and each other.</summary>
    private (int Start, int End) RunFrom(string text, int from)
    {
        var (start, end) = forms.Find(text, from);
        for (var next = start; next >= 0;)
        {
            var (following, followingEnd) = next + 1 < text.Length ? forms.Find(text, next + 1) : (-1, -1);
            if (following < 0 || following >= end)
                break;
            (next, end) = (following, Math.Max(end, followingEnd));
        }
        return (start, end);
    }
}

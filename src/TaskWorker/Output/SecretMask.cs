using System.Text;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Puts <c>***</c> for every secret in the lines of one stream; secrets that overlap are hidden together. A line may come in pieces: an end that may be the
/// beginning of a secret is held back until more has come.
/// </summary>
internal sealed class SecretMask(SecretForms forms)
{
    private const string Mask = "***";
    private const int MostHeld = 64 * 1024;   // beyond the length of a secret

    private string _held = "";
    private int _hidden;   // of what is held, so much is behind a mask that was given out

    /// <summary>Whether something is held back.</summary>
    public bool HasHeld => _held.Length > _hidden;

    /// <summary>What can be given out of a text.</summary>
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
        // What was hidden before lies at the beginning; if even that is held again, it stays hidden.
        (_held, _hidden) = end < text.Length ? (text[end..], Math.Max(0, from - end)) : ("", 0);
        var begin = Math.Min(from, end);
        return masked is null ? begin == 0 && end == text.Length ? text : text[begin..end] : masked.Append(text, begin, end - begin).ToString();
    }

    /// <summary>
    /// Secrets that overlap themselves could go on like that for ever: everything up to here is hidden, and enough of it kept to know what it runs into.
    /// </summary>
    private string GiveUp(string text, StringBuilder? masked, int from, int start)
    {
        masked ??= new StringBuilder();
        if (start >= from)
            masked.Append(text, from, start - from).Append(Mask);
        _held = text[^(forms.Longest - 1)..];
        _hidden = _held.Length;
        return masked.ToString();
    }

    /// <summary>The next secret, with all that overlap it and each other.</summary>
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

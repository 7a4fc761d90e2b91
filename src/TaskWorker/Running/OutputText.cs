using System.Text;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// What is published of a line: UTF-8 with replacement, colours (SGR) and carriage returns kept, every other escape sequence and NUL
/// removed, secrets masked.
/// </summary>
internal sealed class OutputText(IReadOnlyCollection<string> secrets)
{
    private const char Escape = '\u001b';
    private const int ShortestSecret = 4;   // masking shorter ones would hide half of the output and nothing else

    private readonly string[] _secrets = [.. secrets.Where(secret => secret.Length >= ShortestSecret).Distinct().OrderByDescending(secret => secret.Length)];

    public string Of(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.UTF8.GetString(bytes);
        if (text.AsSpan().ContainsAny(Escape, '\0'))
            text = WithoutEscapes(text);
        foreach (var secret in _secrets)
            text = text.Replace(secret, "***", StringComparison.Ordinal);
        return text;
    }

    private static string WithoutEscapes(string text)
    {
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\0')
                continue;
            if (text[i] != Escape)
            {
                clean.Append(text[i]);
                continue;
            }
            var end = EndOfEscape(text, i);
            if (text[end - 1] == 'm' && end - i > 2 && text[i + 1] == '[')
                clean.Append(text, i, end - i);
            i = end - 1;
        }
        return clean.ToString();
    }

    /// <summary>Index behind the sequence that begins at <paramref name="start"/>; the text's end where it is cut off.</summary>
    private static int EndOfEscape(string text, int start)
    {
        var i = start + 1;
        if (i == text.Length)
            return i;
        if (text[i] == '[')   // CSI: parameters, then one final character
        {
            for (i++; i < text.Length; i++)
                if (text[i] is >= '@' and <= '~')
                    return i + 1;
            return text.Length;
        }
        if (text[i] is ']' or 'P' or '_' or '^' or 'X')   // strings such as OSC, up to BEL or ESC \
        {
            for (i++; i < text.Length; i++)
            {
                if (text[i] == '\u0007')
                    return i + 1;
                if (text[i] == Escape && i + 1 < text.Length && text[i + 1] == '\\')
                    return i + 2;
            }
            return text.Length;
        }
        while (i < text.Length && text[i] is >= ' ' and <= '/')
            i++;
        return Math.Min(i + 1, text.Length);
    }
}

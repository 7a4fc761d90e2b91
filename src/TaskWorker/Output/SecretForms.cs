using System.Buffers;
using System.Net;
using System.Text;
using System.Text.Json;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// The texts by which secret values are found: the value itself, in base64 at each of its three alignments and in either alphabet, URL-encoded, and
/// as a JSON string. Of a value with several lines, each line is a secret. One vectorised search finds all of them.
/// </summary>
internal sealed class SecretForms
{
    /// <summary>Shorter ones would mask half of the output and protect nothing.</summary>
    public const int Shortest = 4;

    private const int ShortestLine = 8;   // of a value with several lines

    private readonly string[] _longestFirst;
    private readonly SearchValues<string>? _any;

    public SecretForms(IEnumerable<string> secrets)
    {
        var forms = secrets.Where(secret => secret.Length >= Shortest).SelectMany(Of).Where(form => form.Length >= Shortest).Distinct();
        _longestFirst = [.. forms.OrderByDescending(form => form.Length)];
        _any = _longestFirst.Length == 0 ? null : SearchValues.Create(_longestFirst, StringComparison.Ordinal);
    }

    public bool IsEmpty => _any is null;
    public IReadOnlyList<string> All => _longestFirst;
    public int Longest => _longestFirst is [var longest, ..] ? longest.Length : 0;

    /// <summary>A whole text with <c>***</c> for every secret.</summary>
    public string Masked(string text) => new SecretMask(this).Of(text, isWhole: true);

    public bool IsIn(string text) => Find(text, 0).Start >= 0;

    /// <summary>
    /// The first secret at or after <paramref name="from"/>: its start, and the end of the longest that starts there; negative if there is none.
    /// </summary>
    public (int Start, int End) Find(ReadOnlySpan<char> text, int from)
    {
        var found = _any is null ? -1 : text[from..].IndexOfAny(_any);
        if (found < 0)
            return (-1, -1);
        var start = from + found;
        foreach (var form in _longestFirst)
            if (text[start..].StartsWith(form, StringComparison.Ordinal))
                return (start, start + form.Length);
        throw new InvalidOperationException("a secret was found but matches no form");
    }

    /// <summary>Number of characters at the end of a text that can be the start of a secret.</summary>
    public int Begun(ReadOnlySpan<char> text)
    {
        for (var length = Math.Min(text.Length, Longest - 1); length > 0; length--)
            foreach (var form in _longestFirst)
            {
                if (form.Length <= length)
                    break;
                if (form.AsSpan().StartsWith(text[^length..], StringComparison.Ordinal))
                    return length;
            }
        return 0;
    }

    private static IEnumerable<string> Of(string secret)
    {
        var lines = secret.Split('\n', StringSplitOptions.TrimEntries);
        foreach (var line in lines.Where(line => lines.Length == 1 || line.Length >= ShortestLine))
            yield return line;
        if (lines.Length == 1)
            yield return secret;
        var bytes = Encoding.UTF8.GetBytes(secret);
        for (var before = 0; before < 3; before++)
        {
            var base64 = Base64(bytes, before);
            yield return base64;
            yield return base64.Replace('+', '-').Replace('/', '_');
        }
        var escaped = Uri.EscapeDataString(secret);
        yield return escaped;
        yield return LowerHex(escaped);
        yield return WebUtility.UrlEncode(secret);
        yield return LowerHex(WebUtility.UrlEncode(secret));
        yield return JsonEncodedText.Encode(secret).ToString();
        yield return JsonEncodedText.Encode(secret, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString();
    }

    /// <summary>The base64 characters that depend only on these bytes, if so many other bytes precede them in their group of three.</summary>
    private static string Base64(byte[] bytes, int before)
    {
        var base64 = Convert.ToBase64String([.. new byte[before], .. bytes]);
        var first = (before * 8 + 5) / 6;
        var end = (before + bytes.Length) * 8 / 6;
        return base64[first..end];
    }

    private static string LowerHex(string escaped)
    {
        var lower = escaped.ToCharArray();
        for (var i = 0; i + 2 < lower.Length; i++)
            if (lower[i] == '%')
                (lower[i + 1], lower[i + 2]) = (char.ToLowerInvariant(lower[i + 1]), char.ToLowerInvariant(lower[i + 2]));
        return new string(lower);
    }
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace TaskPipeline.Shared.Tasks;

/// <summary>An error in JSON, and its place.</summary>
/// <param name="Path">The member that has it, such as <c>params.note</c> or <c>labels.a</c>; empty for the value as a whole.</param>
/// <param name="Byte">Counted from 0.</param>
/// <param name="Reason">Follows the name of the value in a sentence.</param>
public sealed record JsonTextError(string Path, long Byte, string Reason)
{
    /// <summary>Line and byte, both counted from 1.</summary>
    public (int Line, long Byte) PlaceIn(ReadOnlySpan<byte> json)
    {
        var before = json[..(int)Byte];
        return (before.Count((byte)'\n') + 1, Byte - before.LastIndexOf((byte)'\n'));
    }
}

/// <summary>
/// Checks completely whether bytes from outside are JSON. The parser accepts strings that are not text: half of a surrogate pair, or bytes that are not UTF-8.
/// Code that reads or writes such a string later gets an unexpected exception. So this check is done wherever bytes become a <see cref="JsonElement"/>.
/// </summary>
public static class JsonText
{
    private const int LongestName = 64;   // in an error

    private const string NotUtf8 = "has bytes that are not UTF-8";
    private const string HalfAPair = @"has half of a surrogate pair, a \u escape that is not a character by itself";

    /// <summary>The first error; null: it can be parsed, each of its strings can be read, and all of it can be written again.</summary>
    /// <param name="maxDepth">Leave room for what the value will be put into: readers accept 64 levels in total.</param>
    public static JsonTextError? Check(ReadOnlySpan<byte> json, int maxDepth)
    {
        var path = new Stack<Step>();
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = maxDepth + 1 });   // one more: the depth is checked below, with the path
        try
        {
            while (reader.Read())
            {
                var (type, start) = (reader.TokenType, (int)reader.TokenStartIndex);
                if (type is JsonTokenType.EndObject or JsonTokenType.EndArray)
                {
                    path.Pop();
                    continue;
                }
                if (path.TryPop(out var step))
                    path.Push(type == JsonTokenType.PropertyName
                        ? step with { Name = (start + 1)..(start + 1 + reader.ValueSpan.Length) }
                        : step with { Element = step.Element + 1 });
                if (type is JsonTokenType.PropertyName or JsonTokenType.String && WrongWith(reader.ValueSpan, reader.ValueIsEscaped) is var (at, reason))
                    return new JsonTextError(Show(path, json), start + 1 + at, type == JsonTokenType.String ? reason : $"is a name that {reason}");
                if (type is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
                    continue;
                if (reader.CurrentDepth == maxDepth)
                    return new JsonTextError(Show(path, json), start, $"is nested too deep: {maxDepth} levels are allowed in total");
                path.Push(type == JsonTokenType.StartArray ? new Step(null, -1) : default);
            }
            return null;
        }
        catch (JsonException malformed)
        {
            // .NET's line number, which is cut, counts from 0.
            return new JsonTextError("", PlaceOf(malformed, json), $"is not valid JSON: {malformed.Message.Split(" LineNumber:")[0]}");
        }
    }

    private static (int At, string Reason)? WrongWith(ReadOnlySpan<byte> text, bool isEscaped)
    {
        if (!Utf8.IsValid(text))
            return (FirstNotUtf8(text), NotUtf8);
        return isEscaped && FirstHalfAPair(text) is >= 0 and var at ? (at, HalfAPair) : null;
    }

    private static int FirstNotUtf8(ReadOnlySpan<byte> text)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out var length) == System.Buffers.OperationStatus.Done)
            at += length;
        return at;
    }

    /// <summary>The reader has already checked that the escapes are well formed.</summary>
    private static int FirstHalfAPair(ReadOnlySpan<byte> text)
    {
        for (var at = 0; text[at..].IndexOf((byte)'\\') is >= 0 and var step;)
        {
            at += step;
            if (Escaped(text[at..]) is not { } unit)
                at += 2;
            else if (!char.IsSurrogate(unit))
                at += 6;
            else if (char.IsHighSurrogate(unit) && Escaped(text[(at + 6)..]) is { } low && char.IsLowSurrogate(low))
                at += 12;
            else
                return at;
        }
        return -1;
    }

    private static char? Escaped(ReadOnlySpan<byte> text) =>
        text is [(byte)'\\', (byte)'u', ..] ? (char)ushort.Parse(text.Slice(2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : null;

    private static long PlaceOf(JsonException malformed, ReadOnlySpan<byte> json)
    {
        var line = 0;
        for (var left = malformed.LineNumber ?? 0; left > 0; left--)
            line += json[line..].IndexOf((byte)'\n') + 1;
        return Math.Min(line + (malformed.BytePositionInLine ?? 0), json.Length);
    }

    private static string Show(IEnumerable<Step> path, ReadOnlySpan<byte> json)
    {
        var shown = new StringBuilder();
        foreach (var step in path.Reverse())
        {
            if (step.Element is { } element)
                shown.Append(CultureInfo.InvariantCulture, $"[{element}]");
            else if (step.Name is { } name)
                shown.Append(shown.Length > 0 ? "." : "").Append(NameOf(json[name]));
        }
        return shown.ToString();
    }

    /// <summary>A name that is not text is shown as it was written, with U+FFFD for bytes that are not UTF-8.</summary>
    private static string NameOf(ReadOnlySpan<byte> written)
    {
        var name = WrongWith(written, isEscaped: true) is null ? JsonSerializer.Deserialize<string>([(byte)'"', .. written, (byte)'"'])!
            : Encoding.UTF8.GetString(written);
        return Beginning.Shown(name, LongestName);
    }

    /// <summary>Progress within one object or array: its latest name, or the index of its latest element.</summary>
    private readonly record struct Step(Range? Name, int? Element);
}

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Catalogue;

public enum ParamKind
{
    Flag,
    Option,
    Positional,
    Stdin,
}

public enum ParamType
{
    String,
    Integer,
    Number,
    Boolean,
    Path,

    /// <summary>A <see cref="FileReference"/>; the agent gets the path of a copy.</summary>
    File,
}

/// <summary>How one param is checked, and how it is passed to the agent.</summary>
public sealed record ParamRule
{
    public required string Name { get; init; }
    public required ParamKind Kind { get; init; }
    public required ParamType Type { get; init; }
    public string? Summary { get; init; }

    /// <summary>The switch of a flag or option, with its dashes.</summary>
    public string? Switch { get; init; }

    /// <summary>The option's value is a separate argument instead of <c>--name=value</c>.</summary>
    public bool Separate { get; init; }

    /// <summary>For a positional: it follows the <c>--</c> of its type's arguments, after which a dash starts no option.</summary>
    [JsonIgnore]   // follows from the type's arguments
    public bool IsBehindDashes { get; init; }

    public LongValue? WhenLong { get; init; }
    public bool Required { get; init; }
    public JsonElement? Default { get; init; }
    public string? Pattern { get; init; }
    public IReadOnlyList<string>? Choices { get; init; }
    public double? Min { get; init; }
    public double? Max { get; init; }
    public int? MaxLength { get; init; }

    /// <summary>Name of the project's folder that must contain the path.</summary>
    public string? Under { get; init; }

    /// <summary>The error of a value; null: it is valid. The worker checks whether a path exists.</summary>
    public string? ErrorIn(JsonElement? given)
    {
        if (given is not { } value)
            return Required ? "is required" : null;
        return Type switch
        {
            ParamType.Boolean => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? null : "must be true or false",
            ParamType.Integer =>
                value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var integer) ? ErrorInRange(integer) : "must be a whole number",
            ParamType.Number => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) ? ErrorInRange(number) : "must be a number",
            _ => value.ValueKind == JsonValueKind.String ? ErrorInText(value.GetString()!) : "must be a string",
        };
    }

    public JsonObject Schema()
    {
        var schema = new JsonObject { ["type"] = Type switch { ParamType.Path or ParamType.File => "string", var type => type.Word() } };
        if (Summary is not null)
            schema["description"] = Summary;
        if (Default is { } value)
            schema["default"] = JsonNode.Parse(value.GetRawText());
        if (Choices is not null)
            schema["enum"] = new JsonArray([.. Choices.Select(choice => JsonValue.Create(choice))]);
        if (Pattern is not null)
            schema["pattern"] = Pattern;
        if (Min is not null)
            schema["minimum"] = Min;
        if (Max is not null)
            schema["maximum"] = Max;
        if (MaxLength is not null)
            schema["maxLength"] = MaxLength;
        if (Type == ParamType.Path)
            schema["format"] = "path";
        if (Type == ParamType.File)
            schema["format"] = "file";
        return schema;
    }

    private string? ErrorInRange(double value) => (Min, Max) switch
    {
        ({ } min, { } max) when value < min || value > max => $"must be {min} to {max}",
        ({ } min, _) when value < min => $"must be at least {min}",
        (_, { } max) when value > max => $"must be at most {max}",
        _ => null,
    };

    private string? ErrorInText(string text)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
            return "must not contain NUL";
        if (MaxLength is { } longest && text.Length > longest)
            return $"must not be longer than {longest} characters";
        if (Choices is not null && !Choices.Contains(text))
            return $"must be one of {string.Join(", ", Choices)}";
        if (Pattern is not null && !Matches(text, Pattern))
            return $"must match {Pattern}";
        if (Type == ParamType.Path)
            return ErrorInPath(text);
        if (Type == ParamType.File)
            return FileReference.Parse(text) is null ? "must be the file of an answer to POST /files" : null;
        if (text.StartsWith('-') && (Separate || (Kind == ParamKind.Positional && !IsBehindDashes)))
            return "must not begin with a dash: the agent would read it as an option";
        if (Kind is ParamKind.Option or ParamKind.Positional && WhenLong is null && Encoding.UTF8.GetByteCount(text) > LongValue.Threshold)
            return $"is too long for a command line: at most {LongValue.Threshold} bytes";
        return null;
    }

    /// <summary>A text on which the pattern times out does not match.</summary>
    private static bool Matches(string text, string pattern)
    {
        try
        {
            return Regex.IsMatch(text, $@"\A(?:{pattern})\z", RegexOptions.None, TimeSpan.FromSeconds(1));
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
    }

    private static string? ErrorInPath(string text) =>
        text.Length == 0 ? "must not be empty"
        : Path.IsPathRooted(text) || text.Contains('\\', StringComparison.Ordinal) || text.Split('/').Contains("..")
            ? "must be a relative path with / and without .."
        : text.Length > 4096 ? "must not be longer than 4096 characters"
        : null;
}

/// <summary>How a value is passed that is too long for a command line.</summary>
/// <param name="ByFile">By a file in the agent's workspace; otherwise by stdin.</param>
/// <param name="Value">The option's value in its place, such as <c>-</c>.</param>
/// <param name="Option">The option for the file's path, if it is a different one.</param>
public sealed record LongValue(bool ByFile, string? Value, string? Option)
{
    /// <summary>In bytes of UTF-8. Linux refuses a single argument of 128 KiB or more.</summary>
    public const int Threshold = 32 * 1024;
}

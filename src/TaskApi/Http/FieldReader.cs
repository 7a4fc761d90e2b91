using System.Globalization;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Http;

/// <summary>The errors of a request, by field. All are collected, so that the caller gets them in one answer.</summary>
internal sealed class FieldErrors
{
    private readonly Dictionary<string, List<string>> _errors = [];

    public Problem? Problem => _errors.Count == 0 ? null : Problem.Invalid(_errors.ToDictionary(error => error.Key, error => error.Value.ToArray()));

    public bool Has(string field) => _errors.ContainsKey(field);

    /// <param name="message">Follows the field's name: <c>must be …</c>.</param>
    public void Add(string field, string message)
    {
        if (!_errors.TryGetValue(field, out var messages))
            _errors[field] = messages = [];
        messages.Add(message);
    }

    /// <summary>Parses the word of an enumeration; null if the text is empty or not one of its words.</summary>
    public T? OneOf<T>(string field, string? text) where T : struct, Enum
    {
        if (string.IsNullOrEmpty(text))
            return null;
        var value = EnumWords.Find<T>(text);
        if (value is null)
            Add(field, $"must be one of {EnumWords.List<T>()}");
        return value;
    }

    /// <summary>The entry after which the page begins, from the query; null: it is the first page.</summary>
    public T? After<T>(string? text, Func<string, T?> find) where T : class
    {
        if (string.IsNullOrEmpty(text))
            return null;
        var last = find(text);
        if (last is null)
            Add("after", "must be the value of next from a page");
        return last;
    }

    /// <summary>The page size from the query.</summary>
    public int Limit(string? text, int byDefault, int most)
    {
        var limit = byDefault;
        if (!string.IsNullOrEmpty(text) && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit < 1 || limit > most))
            Add("limit", $"must be 1 to {most}");
        return limit;
    }
}

/// <summary>Reads the fields of a body. A null field counts as missing.</summary>
/// <param name="body">An object, or undefined where the request has no body.</param>
internal sealed class FieldReader(JsonElement body)
{
    public FieldErrors Errors { get; } = new();

    public bool Has(string field, out JsonElement value)
    {
        value = default;
        return body.ValueKind == JsonValueKind.Object && body.TryGetProperty(field, out value) && value.ValueKind != JsonValueKind.Null;
    }

    public string? Text(string field) => Text(field, int.MaxValue, "must be a string");

    /// <param name="longest">In characters.</param>
    public string? Text(string field, int longest) => Text(field, longest, $"must be a string of at most {longest} characters");

    public bool Flag(string field)
    {
        if (!Has(field, out var value))
            return false;
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            Errors.Add(field, "must be true or false");
        return value.ValueKind == JsonValueKind.True;
    }

    public Dictionary<string, JsonElement>? Object(string field)
    {
        if (!Has(field, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.Object)
            return value.EnumerateObject().ToDictionary(property => property.Name, property => property.Value);
        Errors.Add(field, "must be an object");
        return null;
    }

    private string? Text(string field, int longest, string rule)
    {
        if (!Has(field, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { } text && text.Length <= longest)
            return text;
        Errors.Add(field, rule);
        return null;
    }
}

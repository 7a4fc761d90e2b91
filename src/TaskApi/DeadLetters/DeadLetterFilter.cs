using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>Which dead letters are meant; what is null does not matter.</summary>
internal sealed record DeadLetterFilter(string? Project, string? Type, FailureClass? Class, EndReason? Reason, bool? IsDealtWith)
{
    public static readonly IReadOnlyList<string> Fields = ["project", "type", "class", "reason"];

    /// <summary>Reads the fields that a query and a body have in common; what is wrong with them goes to <paramref name="errors"/>.</summary>
    public static DeadLetterFilter Read(Func<string, string?> field, bool? isDealtWith, Dictionary<string, string[]> errors) =>
        new(NullIfEmpty(field("project")), NullIfEmpty(field("type")), Word<FailureClass>("class", field, errors), Word<EndReason>("reason", field, errors), isDealtWith);

    public bool Passes(DeadLetterEntry entry) =>
        (Project is null || entry.Letter.Task?.Project == Project)
        && (Type is null || entry.Letter.Task?.Type == Type)
        && (Class is null || entry.Letter.Class == Class)
        && (Reason is null || entry.Letter.Reason == Reason)
        && (IsDealtWith is null || entry.IsDealtWith == IsDealtWith);

    private static T? Word<T>(string name, Func<string, string?> field, Dictionary<string, string[]> errors) where T : struct, Enum
    {
        if (NullIfEmpty(field(name)) is not { } text)
            return null;
        foreach (var value in Enum.GetValues<T>())
            if (JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()) == text)
                return value;
        errors[name] = [$"must be one of {string.Join(", ", Enum.GetValues<T>().Select(value => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString())))}"];
        return null;
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}

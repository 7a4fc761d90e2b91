using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>Selects dead letters; a null field does not filter.</summary>
internal sealed record DeadLetterFilter(string? Project, string? Type, FailureClass? Class, EndReason? Reason, bool? IsResolved)
{
    public static readonly IReadOnlyList<string> Fields = ["project", "type", "class", "reason"];

    /// <summary>Reads the fields that the query and the body have in common.</summary>
    public static DeadLetterFilter Read(Func<string, string?> field, bool? isResolved, FieldErrors errors) =>
        new(NullIfEmpty(field("project")), NullIfEmpty(field("type")), errors.OneOf<FailureClass>("class", field("class")), errors.OneOf<EndReason>(
            "reason", field("reason")), isResolved);

    public bool Passes(DeadLetterEntry entry) =>
        (Project is null || entry.Letter.Task?.Project == Project)
        && (Type is null || entry.Letter.Task?.Type == Type)
        && (Class is null || entry.Letter.Class == Class)
        && (Reason is null || entry.Letter.Reason == Reason)
        && (IsResolved is null || entry.IsResolved == IsResolved);

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}

using System.ComponentModel;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>The body of <c>POST /tasks</c>.</summary>
public sealed record SubmitTask
{
    [Description("The project whose database, paths and environment the agent gets.")]
    public string Project { get; init; } = "default";

    [Description("A type of GET /task-types.")]
    public required string Type { get; init; }

    [Description("One of the type's commands, if it has any.")]
    public string? Command { get; init; }

    [Description("As in the type's schema in GET /task-types.")]
    public IReadOnlyDictionary<string, JsonElement> Params { get; init; } = new Dictionary<string, JsonElement>();

    [Description("An id of your own, 1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and dash. The same id with the same body is the same task.")]
    public string? TaskId { get; init; }

    [Description("Run it later: a duration such as 90s, 10m or 6h, or a number of seconds; at most a year. Not together with run_at.")]
    public JsonElement? Delay { get; init; }

    [Description("Run it at a time, as 2026-03-01T09:30:00Z; at most a year ahead. A time in the past means at once.")]
    public string? RunAt { get; init; }

    [Description("Expire it if no attempt has started by then: a time, or a duration from run_at (from now without run_at).")]
    public string? StartBy { get; init; }

    [Description("End it by then, however many attempts are left: a time, or a duration from run_at (from now without run_at).")]
    public string? Deadline { get; init; }

    [Description("high, normal or low, among the tasks that wait in the same lane; default: the type's.")]
    public Priority? Priority { get; init; }

    [Description("Limits how many tasks of one project with the same key run at a time; default: the type's.")]
    public SubmitConcurrency? Concurrency { get; init; }

    [Description("Names and values of your own, for your own use.")]
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>Limits how many tasks with one key run at a time.</summary>
public sealed record SubmitConcurrency
{
    [Description("1 to 200 characters of your own.")]
    public required string Key { get; init; }

    [Description("1 to 1000.")]
    public int Limit { get; init; } = 1;
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>A task as lists show it.</summary>
public record TaskSummary
{
    /// <summary>Its id.</summary>
    public required string TaskId { get; init; }

    /// <summary>Its project.</summary>
    public required string Project { get; init; }

    /// <summary>Its type.</summary>
    public required string Type { get; init; }

    /// <summary>The type's command, if it has commands.</summary>
    public string? Command { get; init; }

    /// <summary>Its status.</summary>
    public required Status Status { get; init; }

    /// <summary>Why it ended, such as <c>exit_code</c> or <c>user_request</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>Exit code of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Failure class: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }

    /// <summary>The latest attempt; 0 before the first one.</summary>
    public int Attempt { get; init; }

    /// <summary>The worker that runs it, or ran it last.</summary>
    public string? Worker { get; init; }

    /// <summary>Number of output lines of the latest attempt.</summary>
    public long Lines { get; init; }

    /// <summary>The latest progress that its agent reported: <c>percent</c>, <c>step</c>.</summary>
    public JsonElement? Progress { get; init; }

    /// <summary>When it was submitted.</summary>
    public required DateTimeOffset SubmittedAt { get; init; }

    /// <summary>When its first attempt started.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>When the agent of its latest attempt ended; only until the outcome is decided.</summary>
    public DateTimeOffset? ExitedAt { get; init; }

    /// <summary>The submitter's labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Its order among the tasks of its lane.</summary>
    public Priority? Priority { get; init; }

    /// <summary>Limits how many tasks with the same key run at the same time.</summary>
    public Concurrency? Concurrency { get; init; }

    /// <summary>When it continues, if it waits for its time.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>It expires if no attempt has started by then.</summary>
    public DateTimeOffset? StartBy { get; init; }

    /// <summary>It is ended at this time.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The ended task that it repeats.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>The dead letter that it replaces.</summary>
    public string? RedriveOf { get; init; }

    /// <summary>Fields that this version does not know.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? More { get; set; }
}

internal sealed record TaskPage
{
    public required IReadOnlyList<TaskSummary> Tasks { get; init; }
    public string? Next { get; init; }
}

/// <summary>Which tasks to list; null does not filter.</summary>
public sealed record TaskFilter
{
    /// <summary>Only this status.</summary>
    public Status? Status { get; init; }

    /// <summary>Only this project.</summary>
    public string? Project { get; init; }

    /// <summary>Only this type.</summary>
    public string? Type { get; init; }

    /// <summary>Only this failure class: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }
}

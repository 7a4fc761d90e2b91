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

    /// <summary>The type's command, where it has some.</summary>
    public string? Command { get; init; }

    /// <summary>Where it stands.</summary>
    public required Status Status { get; init; }

    /// <summary>Why it ended as it did, such as <c>exit_code</c> or <c>user_request</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>Of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Whose failure it was: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }

    /// <summary>The latest attempt; 0 before the first one.</summary>
    public int Attempt { get; init; }

    /// <summary>Who runs it, or ran it last.</summary>
    public string? Worker { get; init; }

    /// <summary>Lines of output of the latest attempt.</summary>
    public long Lines { get; init; }

    /// <summary>How far it is, as its agent said last: <c>percent</c>, <c>step</c>.</summary>
    public JsonElement? Progress { get; init; }

    /// <summary>When it was submitted.</summary>
    public required DateTimeOffset SubmittedAt { get; init; }

    /// <summary>When its first attempt started.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>When the agent of its latest attempt ended, while it is not decided yet what follows from that.</summary>
    public DateTimeOffset? ExitedAt { get; init; }

    /// <summary>Names and values of whoever submitted it.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>In which order it is taken.</summary>
    public Priority? Priority { get; init; }

    /// <summary>With whom it does not run at the same time.</summary>
    public Concurrency? Concurrency { get; init; }

    /// <summary>When it goes on, where it waits for its time.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>By when an attempt must have started.</summary>
    public DateTimeOffset? StartBy { get; init; }

    /// <summary>By when it must have ended.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The ended task that it repeats.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>The dead letter in whose place it goes on.</summary>
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

/// <summary>Which tasks to list; what is missing does not matter.</summary>
public sealed record TaskFilter
{
    /// <summary>Those that stand there.</summary>
    public Status? Status { get; init; }

    /// <summary>Those of one project.</summary>
    public string? Project { get; init; }

    /// <summary>Those of one type.</summary>
    public string? Type { get; init; }

    /// <summary>Those whose failure it was: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }
}

using System.Text.Json;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>tasks</c>. A bare <c>{task_id, project, type, params}</c>, written by any Kafka producer, is a complete one.
/// </summary>
public sealed record TaskSubmission
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public string Project { get; set; } = "default";
    public required string Type { get; init; }
    public string? Command { get; init; }
    public Dictionary<string, JsonElement> Params { get; set; } = [];
    public Dictionary<string, string>? Labels { get; init; }
    public int Attempt { get; set; } = 1;
    public DateTimeOffset? SubmittedAt { get; init; }

    /// <summary>Hash of the catalogue entry that the task was accepted with.</summary>
    public string? TypeHash { get; init; }
}

/// <summary>
/// A record of the topic <c>task-control</c>. A bare <c>{task_id, signal:"STOP"}</c> is a complete one; its tombstone says that the task has ended.
/// </summary>
public sealed record ControlRecord
{
    public const string Stop = "STOP";

    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public required string Signal { get; init; }
    public int? Lane { get; init; }

    /// <summary>End the agent at once, without the grace that its type gives it.</summary>
    public bool Force { get; init; }

    public string? RequestedBy { get; init; }
    public string? Reason { get; init; }
    public DateTimeOffset? At { get; init; }

    public static string StopKey(string taskId) => $"{taskId}/{Stop}";
}

/// <summary>A record of the topic <c>tasks-dlq</c>: a task that will not be run again, or the bytes of a record that nobody could read.</summary>
public sealed record DeadLetter
{
    public int V { get; set; } = 1;
    public string? TaskId { get; init; }
    public required string Error { get; init; }
    public TaskSubmission? Task { get; init; }

    /// <summary>The record as it was found, base64.</summary>
    public string? Raw { get; init; }

    public int Lane { get; init; }
    public long Offset { get; init; }
    public IReadOnlyList<AttemptSummary> Attempts { get; set; } = [];
    public DateTimeOffset At { get; init; }
}

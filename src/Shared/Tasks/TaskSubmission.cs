using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>A record of the topic <c>tasks</c>. A bare <c>{task_id, project, type, params}</c> from any Kafka producer is a complete record.</summary>
public sealed record TaskSubmission
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public string Project { get; set; } = "default";
    public required string Type { get; init; }
    public string? Command { get; init; }
    public Dictionary<string, JsonElement> Params { get; set; } = [];
    public Dictionary<string, string>? Labels { get; init; }

    /// <summary>
    /// The lane that the API has chosen. A copy of the record that another producer writes to another partition, for example by a hash of the key, is
    /// not the task: an id is one task over all lanes. Null: another producer has written it, and its lane is where it was read first.
    /// </summary>
    public int? Lane { get; init; }

    /// <summary>The attempt that this record requests. If it is not the task's next, the record is a duplicate and is skipped.</summary>
    public int Attempt { get; set; } = 1;

    public DateTimeOffset? SubmittedAt { get; init; }

    /// <summary>It does not run before this time.</summary>
    public DateTimeOffset? RunAt { get; init; }

    /// <summary>If no attempt has started by then, it ends as <see cref="Status.Expired"/>.</summary>
    public DateTimeOffset? StartBy { get; init; }

    /// <summary>It ends by then, however many attempts are left.</summary>
    public DateTimeOffset? Deadline { get; init; }

    public Priority Priority { get; set; } = Priority.Normal;
    public Concurrency? Concurrency { get; init; }

    /// <summary>The ended task that this one repeats, and its number among the repetitions, from 1.</summary>
    public string? ReplayOf { get; init; }
    public int? ReplaySeq { get; init; }

    /// <summary>The dead letter that this task was redriven from, and its number among the redrives, from 1.</summary>
    public string? RedriveOf { get; init; }
    public int? RedriveSeq { get; init; }

    /// <summary>Hash of the catalogue entry that the task was accepted with.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The type hash of the task that this one repeats, if the type has changed since.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>Hash of the request's body: shows whether a later request is the same, even if times in it were relative.</summary>
    public string? BodyHash { get; init; }

    /// <summary>Whether both have the same slot of the same concurrency key, so that only one of them can run at a time.</summary>
    public bool SharesSlotWith(TaskSubmission? other) =>
        Concurrency is { } own && other?.Concurrency is { } held && (Project, own.Key, own.Slot) == (other.Project, held.Key, held.Slot);
}

/// <summary>
/// At most <paramref name="Limit"/> tasks with one key run at a time. The key has that many slots, each slot belongs to a lane, and the lane's owner
/// runs the tasks of a slot one after the other.
/// </summary>
/// <param name="Slot">From 0; chosen by the API.</param>
public sealed record Concurrency(string Key, int Limit = 1, int Slot = 0);

/// <summary>
/// A record of the topic <c>task-schedule</c>, key <c>{task_id}/{attempt}</c>, in the task's lane: <see cref="Task"/> is put into <c>tasks</c> when
/// it is due or was stopped. Its tombstone says that this has happened.
/// </summary>
public sealed record ScheduledTask
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }

    /// <summary>Null: only a person releases it.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>The record for <c>tasks</c>; it contains the attempt.</summary>
    public required TaskSubmission Task { get; init; }

    public static string Key(string taskId, int attempt) => $"{taskId}/{attempt}";
}

/// <summary>
/// A record of the topic <c>task-control</c>. A bare <c>{task_id, signal:"STOP"}</c> is a complete record; its tombstone says that the task has ended.
/// </summary>
public sealed record ControlRecord
{
    public const string Stop = "STOP";
    public const string Pause = "PAUSE";
    public const string Resume = "RESUME";

    /// <summary>
    /// Not a request: the owner of a lane publishes that a task whose record does not contain its lane is in this one. The first such record counts,
    /// because all of them are in one partition: so a task whose record was written to two lanes is still one task.
    /// </summary>
    public const string InLane = "LANE";

    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public required string Signal { get; init; }
    public int? Lane { get; init; }

    /// <summary>End the agent at once, without the grace period of its type.</summary>
    public bool Force { get; init; }

    public string? RequestedBy { get; init; }
    public string? Reason { get; init; }

    /// <summary>The caller's name for this request: a repetition with the same name writes no second record.</summary>
    public string? IdempotencyKey { get; init; }

    public DateTimeOffset? At { get; init; }

    public static string StopKey(string taskId) => $"{taskId}/{Stop}";

    public static string InLaneKey(string taskId, int lane) => $"{taskId}/{InLane}/{lane}";

    /// <summary>One key for PAUSE and RESUME: the later of them counts.</summary>
    public static string PauseKey(string taskId) => $"{taskId}/{Pause}";
}

/// <summary>A record of the topic <c>tasks-dlq</c>: a task that will not be run again, or the bytes of a record that could not be read.</summary>
public sealed record DeadLetter
{
    public int V { get; set; } = 1;
    public string? TaskId { get; init; }
    public required string Error { get; init; }
    public TaskSubmission? Task { get; init; }

    /// <summary>How the task ended.</summary>
    public EndReason? Reason { get; init; }
    public FailureClass? Class { get; init; }
    public int? ExitCode { get; init; }

    /// <summary>The last lines of the last attempt's stderr.</summary>
    public string? OutputTail { get; init; }

    /// <summary>A record that could not be read, in base64; only the beginning of a large one.</summary>
    public string? Raw { get; init; }

    /// <summary>Size of that record in bytes.</summary>
    public long? RawBytes { get; init; }

    /// <summary>As in <see cref="TaskState.LeftOut"/>.</summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    public int Lane { get; init; }
    public long Offset { get; init; }
    public IReadOnlyList<AttemptSummary> Attempts { get; set; } = [];
    public DateTimeOffset At { get; init; }
}

/// <summary>The resolution of a dead letter.</summary>
[JsonConverter(typeof(SnakeCaseEnum<DeadLetterAction>))]
public enum DeadLetterAction
{
    Redriven,
    Discarded,
}

/// <summary>A record of the topic <c>tasks-dlq</c>, after the dead letter: it is resolved.</summary>
public sealed record DeadLetterResolution
{
    public int V { get; set; } = 1;

    /// <summary>The id of the dead letter.</summary>
    public required string TaskId { get; init; }

    public required DeadLetterAction Action { get; init; }

    /// <summary>The task that replaces it, if it was redriven.</summary>
    public string? NewTaskId { get; init; }

    public int? RedriveSeq { get; init; }
    public string? RequestedBy { get; init; }
    public DateTimeOffset At { get; init; }
}

using System.Text.Json;
using System.Text.Json.Serialization;

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

    /// <summary>
    /// The lane that the API has put it into. A copy of the record that another producer writes elsewhere, by a hash of the key for one, is not the
    /// task: an id is one task over all lanes. Null: another producer has written it, and its lane is where it was read first.
    /// </summary>
    public int? Lane { get; init; }

    /// <summary>The attempt that this record asks for. One that is not the task's next is a double and passed over.</summary>
    public int Attempt { get; set; } = 1;

    public DateTimeOffset? SubmittedAt { get; init; }

    /// <summary>Not before this.</summary>
    public DateTimeOffset? RunAt { get; init; }

    /// <summary>If no attempt has started by then, it ends as <see cref="Status.Expired"/>.</summary>
    public DateTimeOffset? StartBy { get; init; }

    /// <summary>By then it ends, however many attempts are left.</summary>
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

    /// <summary>That of the task which this one repeats, where the type has changed since.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>Hash of what the caller sent: who sends it again is told apart from who sends something else, also where times in it were relative.</summary>
    public string? BodyHash { get; init; }

    /// <summary>Whether both have the same slot of the same concurrency key, so that only one of them may run at a time.</summary>
    public bool SharesSlotWith(TaskSubmission? other) =>
        Concurrency is { } own && other?.Concurrency is { } held && (Project, own.Key, own.Slot) == (other.Project, held.Key, held.Slot);
}

/// <summary>
/// Of the tasks with one key at most <paramref name="Limit"/> run at a time. The key is made of that many slots, each slot has its lane, and the
/// owner of the lane runs one task of a slot after the other.
/// </summary>
/// <param name="Slot">From 0; given by the API.</param>
public sealed record Concurrency(string Key, int Limit = 1, int Slot = 0);

/// <summary>
/// A record of the topic <c>task-schedule</c>, key <c>{task_id}/{attempt}</c>, in the task's lane: <see cref="Task"/> is put into <c>tasks</c> when
/// it is due or was stopped. Its tombstone says that this has happened.
/// </summary>
public sealed record ScheduledTask
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }

    /// <summary>Null: only a person puts it back.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>The record to be put into <c>tasks</c>; it names the attempt.</summary>
    public required TaskSubmission Task { get; init; }

    public static string Key(string taskId, int attempt) => $"{taskId}/{attempt}";
}

/// <summary>
/// A record of the topic <c>task-control</c>. A bare <c>{task_id, signal:"STOP"}</c> is a complete one; its tombstone says that the task has ended.
/// </summary>
public sealed record ControlRecord
{
    public const string Stop = "STOP";
    public const string Pause = "PAUSE";
    public const string Resume = "RESUME";

    /// <summary>
    /// Not a request: the owner of a lane tells that a task whose record says nothing of its lane is in this one. The first that says so is right,
    /// because all of them lie in one partition: so a task whose record was written into two lanes is one task.
    /// </summary>
    public const string InLane = "LANE";

    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public required string Signal { get; init; }
    public int? Lane { get; init; }

    /// <summary>End the agent at once, without the grace that its type gives it.</summary>
    public bool Force { get; init; }

    public string? RequestedBy { get; init; }
    public string? Reason { get; init; }

    /// <summary>The caller's own name for this request: the same one again writes no second record.</summary>
    public string? IdempotencyKey { get; init; }

    public DateTimeOffset? At { get; init; }

    public static string StopKey(string taskId) => $"{taskId}/{Stop}";

    public static string InLaneKey(string taskId, int lane) => $"{taskId}/{InLane}/{lane}";

    /// <summary>Of PAUSE and RESUME alike: the later of them counts.</summary>
    public static string PauseKey(string taskId) => $"{taskId}/{Pause}";
}

/// <summary>A record of the topic <c>tasks-dlq</c>: a task that will not be run again, or the bytes of a record that nobody could read.</summary>
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

    /// <summary>The record as it was found, base64; of a large one the beginning.</summary>
    public string? Raw { get; init; }

    /// <summary>Bytes of the record as it was found.</summary>
    public long? RawBytes { get; init; }

    /// <summary>As in <see cref="TaskState.LeftOut"/>.</summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    public int Lane { get; init; }
    public long Offset { get; init; }
    public IReadOnlyList<AttemptSummary> Attempts { get; set; } = [];
    public DateTimeOffset At { get; init; }
}

/// <summary>What was done about a dead letter.</summary>
[JsonConverter(typeof(SnakeCaseEnum<DeadLetterAction>))]
public enum DeadLetterAction
{
    Redriven,
    Discarded,
}

/// <summary>A record of the topic <c>tasks-dlq</c>, behind the dead letter: it is resolved.</summary>
public sealed record DeadLetterResolution
{
    public int V { get; set; } = 1;

    /// <summary>Of the dead letter.</summary>
    public required string TaskId { get; init; }

    public required DeadLetterAction Action { get; init; }

    /// <summary>The task that goes on instead, where it was redriven.</summary>
    public string? NewTaskId { get; init; }

    public int? RedriveSeq { get; init; }
    public string? RequestedBy { get; init; }
    public DateTimeOffset At { get; init; }
}

using System.Text.Json;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>task-state</c>, key <c>{task_id}</c>: how a task ended, or what it waits for between two attempts. Only the owner of its
/// lane writes it.
/// </summary>
public sealed record TaskState
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public required Status Status { get; init; }
    public EndReason? Reason { get; init; }
    public int? ExitCode { get; init; }
    public string? Signal { get; init; }
    public string? Error { get; init; }

    /// <summary>What the deciding attempt's agent gave as its result.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public bool? ResultLeftOut { get; init; }

    public bool DeadLettered { get; init; }
    public FailureClass? Class { get; init; }

    /// <summary>When the next attempt is due, where it waits for one.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>
    /// Of an end: the STOP that was known when it was decided, as in <c>task-control</c>. With another end than <see cref="Status.Stopped"/> it came
    /// too late.
    /// </summary>
    public ControlRecord? Stop { get; init; }

    /// <summary>The attempt that decided; 0 where none was started.</summary>
    public int Attempt { get; init; }

    public IReadOnlyList<AttemptSummary> Attempts { get; set; } = [];
    public required TaskSubmission Task { get; init; }
    public int Lane { get; init; }

    /// <summary>Of the task's record in <c>tasks</c>.</summary>
    public long Offset { get; init; }

    /// <summary>
    /// Offset in <c>task-progress</c> of the last record that counts for this task; -1 where there is none. A reader that has passed it has every
    /// line.
    /// </summary>
    public long LogEnd { get; set; } = -1;

    /// <summary>When this was written; of an end, when the task ended.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>What is not here because the record would have been larger than Kafka takes: words of <see cref="StateParts"/>. Null: nothing.</summary>
    public IReadOnlyList<string>? LeftOut { get; init; }
}

/// <summary>What of an end or a dead letter may be left out where the record would be larger than Kafka takes. Values are part of the wire contract.</summary>
public static class StateParts
{
    /// <summary>The lists of files that attempts have left behind.</summary>
    public const string Artifacts = "artifacts";

    /// <summary>All but the beginning of errors and of the tail of the output.</summary>
    public const string Errors = "errors";

    public const string Result = "result";

    /// <summary>The task's params and labels; it cannot be redriven or replayed from this record.</summary>
    public const string Params = "params";

    /// <summary>All attempts but the last.</summary>
    public const string Attempts = "attempts";

    /// <summary>All but the beginning of the bytes of a record that nobody could read.</summary>
    public const string Raw = "raw";
}

/// <summary>What the log says of one attempt. Offsets are those of <c>task-progress</c>.</summary>
public sealed record AttemptSummary
{
    public required int Attempt { get; init; }
    public required long Epoch { get; init; }
    public required string Owner { get; init; }
    public required string Worker { get; init; }
    public required long From { get; init; }
    public DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Null while it runs; <see cref="EndReason.WorkerLost"/> once a later claim found no outcome.</summary>
    public EndReason? Reason { get; init; }

    public int? ExitCode { get; init; }
    public string? Signal { get; init; }
    public string? Error { get; init; }
    public FailureClass? Class { get; init; }
    public long Lines { get; init; }
    public string? Hash { get; init; }
    public string? ConfigHash { get; init; }

    /// <summary>As in <see cref="AttemptStarting"/>.</summary>
    public string? TypeHash { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public string? EndedBy { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes were ended; null: none.</summary>
    public int? ProcessesEnded { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public IReadOnlyList<Artifact>? Artifacts { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public int? ArtifactsLeftOut { get; init; }
}

/// <summary>
/// A record of the topic <c>task-state</c>, key <c>lane/{partition}</c>: who owns the lane, and where to read from to know its unended tasks.
/// </summary>
public sealed record LaneState
{
    public const string KeyPrefix = "lane/";

    public int V { get; set; } = 1;
    public required int Lane { get; init; }
    public required long Epoch { get; init; }
    public required string Owner { get; init; }
    public required string Worker { get; init; }

    /// <summary>Offset of <c>task-progress</c> where the story of the earliest unended task begins.</summary>
    public long From { get; init; }

    /// <summary>The claim in force at <see cref="From"/>.</summary>
    public long FromEpoch { get; init; }
    public string? FromOwner { get; init; }

    /// <summary>Offset of <c>tasks</c> of the first task that may not have ended.</summary>
    public long Next { get; init; }

    public static string Key(int lane) => $"{KeyPrefix}{lane}";
}

/// <summary>
/// A record of the topic <c>task-workers</c>, key <c>{worker}</c>: what a worker does, each second while it runs a task and each five seconds else.
/// Its tombstone is a good-bye.
/// </summary>
public sealed record WorkerHeartbeat
{
    public int V { get; set; } = 1;
    public required string Worker { get; init; }
    public required string Host { get; init; }
    public required int Pid { get; init; }
    public required string Version { get; init; }
    public DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset At { get; init; }

    /// <summary>
    /// By how many seconds the clock of its machine is ahead of Kafka's, where that is 5 or more either way. Its times are Kafka's all the same.
    /// </summary>
    public double? ClockAhead { get; init; }

    /// <summary>It has left the group for the length of its task, so that its lanes go to workers with time.</summary>
    public bool Away { get; init; }

    /// <summary>The lanes that it owns.</summary>
    public IReadOnlyList<int> Lanes { get; set; } = [];

    /// <summary>Of the lanes that it owns, those that are full: what lies behind is read later.</summary>
    public IReadOnlyList<int> Paused { get; set; } = [];

    /// <summary>How many tasks wait in its lanes, as far as it has read them.</summary>
    public int Waiting { get; init; }

    public WorkerTask? Task { get; init; }

    /// <summary>What a person should know, in sentences. Null: nothing.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

/// <summary>What a worker runs now.</summary>
/// <param name="Pid">Of the agent; null before it is spawned.</param>
public sealed record WorkerTask(string TaskId, int Attempt, DateTimeOffset StartedAt, int? Pid = null);

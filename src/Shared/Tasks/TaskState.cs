using System.Text.Json;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>task-state</c>, key <c>{task_id}</c>: a task's end, or what it waits for between two attempts. Only the owner of its lane
/// writes it.
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

    /// <summary>The result of the deciding attempt's agent.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>As in <see cref="AttemptExited"/>.</summary>
    public bool? ResultLeftOut { get; init; }

    public bool DeadLettered { get; init; }
    public FailureClass? Class { get; init; }

    /// <summary>When the next attempt is due, if the task waits for one.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>
    /// For an end: the STOP that was known at the decision, as in <c>task-control</c>. If the status is not <see cref="Status.Stopped"/>, the STOP
    /// was too late.
    /// </summary>
    public ControlRecord? Stop { get; init; }

    /// <summary>The deciding attempt; 0 if none was started.</summary>
    public int Attempt { get; init; }

    public IReadOnlyList<AttemptSummary> Attempts { get; set; } = [];
    public required TaskSubmission Task { get; init; }
    public int Lane { get; init; }

    /// <summary>Offset of the task's record in <c>tasks</c>.</summary>
    public long Offset { get; init; }

    /// <summary>
    /// Offset in <c>task-progress</c> of the last record that counts for this task; -1 if there is none. A reader that has passed it has every line.
    /// </summary>
    public long LogEnd { get; set; } = -1;

    /// <summary>When this was written; for an end, when the task ended.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Parts left out because the record was too large for Kafka: words of <see cref="StateParts"/>. Null: nothing.</summary>
    public IReadOnlyList<string>? LeftOut { get; init; }
}

/// <summary>Parts of an end or a dead letter that can be left out if the record is too large for Kafka. Values are part of the wire contract.</summary>
public static class StateParts
{
    /// <summary>The lists of artifacts.</summary>
    public const string Artifacts = "artifacts";

    /// <summary>All but the beginning of errors and of the tail of the output.</summary>
    public const string Errors = "errors";

    public const string Result = "result";

    /// <summary>The task's params and labels; it cannot be redriven or replayed from this record.</summary>
    public const string Params = "params";

    /// <summary>All attempts but the last.</summary>
    public const string Attempts = "attempts";

    /// <summary>All but the beginning of a record that could not be read.</summary>
    public const string Raw = "raw";
}

/// <summary>One attempt, from the log. Offsets are those of <c>task-progress</c>.</summary>
public sealed record AttemptSummary
{
    public required int Attempt { get; init; }
    public required long Epoch { get; init; }
    public required string Owner { get; init; }
    public required string Worker { get; init; }
    public required long From { get; init; }
    public DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Null while it runs; <see cref="EndReason.WorkerLost"/> if a later claim found no outcome.</summary>
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
/// A record of the topic <c>task-state</c>, key <c>lane/{partition}</c>: the lane's owner, and where to start reading to know its unended tasks.
/// </summary>
public sealed record LaneState
{
    public const string KeyPrefix = "lane/";

    public int V { get; set; } = 1;
    public required int Lane { get; init; }
    public required long Epoch { get; init; }
    public required string Owner { get; init; }
    public required string Worker { get; init; }

    /// <summary>Offset in <c>task-progress</c> where the story of the earliest unended task begins.</summary>
    public long From { get; init; }

    /// <summary>The claim in force at <see cref="From"/>.</summary>
    public long FromEpoch { get; init; }
    public string? FromOwner { get; init; }

    /// <summary>Offset in <c>tasks</c> of the first task that may not have ended.</summary>
    public long Next { get; init; }

    public static string Key(int lane) => $"{KeyPrefix}{lane}";
}

/// <summary>
/// A record of the topic <c>task-workers</c>, key <c>{worker}</c>: what a worker does, every second while it runs a task and otherwise every five
/// seconds. Its tombstone says that the worker has left.
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
    /// Seconds by which its machine's clock is ahead of Kafka's, negative if it is behind; only if 5 or more either way. The times in this record are Kafka's.
    /// </summary>
    public double? ClockAhead { get; init; }

    /// <summary>It has left the group for the duration of its task, so that free workers get its lanes.</summary>
    public bool Away { get; init; }

    /// <summary>The lanes that it owns.</summary>
    public IReadOnlyList<int> Lanes { get; set; } = [];

    /// <summary>Lanes of which it does not read more for now, because it has enough of their tasks.</summary>
    public IReadOnlyList<int> Paused { get; set; } = [];

    /// <summary>Number of tasks that wait in its lanes, as far as it has read them.</summary>
    public int Waiting { get; init; }

    public WorkerTask? Task { get; init; }

    /// <summary>Warnings for people, as sentences. Null: none.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

/// <summary>The task that a worker runs now.</summary>
/// <param name="Pid">The agent's process id; null before it is spawned.</param>
public sealed record WorkerTask(string TaskId, int Attempt, DateTimeOffset StartedAt, int? Pid = null);

using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>task-progress</c>, the write-ahead log of attempts. Software uses <c>kind</c> and its fields; <see cref="Update"/> is
/// text for people, so that a consumer that knows only <c>{task_id, update}</c> works.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(LaneBarrier), "barrier")]
[JsonDerivedType(typeof(AttemptStarting), "starting")]
[JsonDerivedType(typeof(AttemptRunning), "running")]
[JsonDerivedType(typeof(OutputLines), "lines")]
[JsonDerivedType(typeof(OutputGap), "gap")]
[JsonDerivedType(typeof(AgentEvent), "agent_event")]
[JsonDerivedType(typeof(AttemptInput), "input")]
[JsonDerivedType(typeof(TaskStopping), "stopping")]
[JsonDerivedType(typeof(AttemptPaused), "paused")]
[JsonDerivedType(typeof(AttemptResumed), "resumed")]
[JsonDerivedType(typeof(AttemptExited), "exited")]
[JsonDerivedType(typeof(AttemptAbandoned), "abandoned")]
[JsonDerivedType(typeof(AttemptHandedOver), "handed_over")]
[JsonDerivedType(typeof(AttemptHeartbeat), "heartbeat")]
[JsonDerivedType(typeof(AttemptsSnapshot), "snapshot")]
[JsonDerivedType(typeof(TaskEmitted), "emitted")]
[JsonDerivedType(typeof(TaskEnded), "ended")]
public abstract record ProgressRecord
{
    public int V { get; set; } = 1;
    public DateTimeOffset At { get; init; }
    public string? Update { get; init; }
}

/// <summary>A worker's record: it counts only while the claim under which it was written is in force.</summary>
public abstract record ClaimedRecord : ProgressRecord
{
    /// <summary>Epoch of the lane's claim under which this was written.</summary>
    public required long Epoch { get; init; }

    /// <summary>Random id of that claim; distinguishes claims of the same epoch, which is not unique without transactions.</summary>
    public required string Owner { get; init; }
}

/// <summary>A user's own event in a task's timeline, written by the API. It needs no claim, and has no consequences.</summary>
public sealed record TaskEmitted : ProgressRecord
{
    public required string TaskId { get; init; }

    /// <summary>Two records with the same id are the same event.</summary>
    public required string EventId { get; init; }

    public required string Name { get; init; }
    public JsonElement? Data { get; init; }
}

/// <summary>
/// After a barrier, records of earlier claims are void for every reader, except those of the attempts that it keeps. Other attempts of earlier claims
/// are lost. An owner can write a second barrier to drop an attempt that its first one kept.
/// </summary>
public sealed record LaneBarrier : ClaimedRecord
{
    public required int Lane { get; init; }
    public required string Worker { get; init; }

    /// <summary>Attempts of earlier claims that continue, and whose records count.</summary>
    public IReadOnlyList<KeptAttempt> Keeps { get; set; } = [];
}

public sealed record KeptAttempt(string TaskId, int Attempt);

public abstract record AttemptRecord : ClaimedRecord
{
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }
}

/// <summary>Kafka has acknowledged this before the agent is spawned.</summary>
public sealed record AttemptStarting : AttemptRecord
{
    public required string Worker { get; init; }

    /// <summary>Hash of the project config that the attempt runs with.</summary>
    public string? ConfigHash { get; init; }

    /// <summary>Hash of the catalogue entry that the attempt runs with; differs from the task's if the type has changed since.</summary>
    public string? TypeHash { get; init; }
}

public sealed record AttemptRunning : AttemptRecord
{
    public required int Pid { get; init; }
}

public sealed record OutputLines : AttemptRecord
{
    public required LineBatch Lines { get; init; }
}

/// <summary>One line of output. Long lines come in parts, each with its own <paramref name="Seq"/>; <paramref name="Part"/> counts them from 1.</summary>
/// <param name="Seq">From 1 per attempt, without holes except for those of an <see cref="OutputGap"/>.</param>
/// <param name="Cut">Bytes of the line that are left out because it is too long; the text also says so.</param>
public sealed record OutputLine(long Seq, OutputStream Stream, string Text, DateTimeOffset At, int? Part = null, bool? Last = null, long? Cut = null);

/// <summary>Lines that the agent printed and that were not kept: those between the head and the tail of an output beyond its limit.</summary>
public sealed record OutputGap : AttemptRecord
{
    /// <summary><see cref="OutputLine.Seq"/> of the first of them.</summary>
    public required long From { get; init; }

    /// <summary><see cref="OutputLine.Seq"/> of the last of them.</summary>
    public required long To { get; init; }

    public required long Bytes { get; init; }
    public required EndReason Reason { get; init; }
}

[JsonConverter(typeof(SnakeCaseEnum<OutputStream>))]
public enum OutputStream
{
    Stdout = 1,
    Stderr = 2,
    System = 3,
}

/// <summary>What the agent reported about its work, in a form that the worker understands. The line with the report is one of the lines before.</summary>
public sealed record AgentEvent : AttemptRecord
{
    /// <summary>A warning with this member set to <c>true</c> says that the agent's latest result is too large and is left out.</summary>
    public const string LeftOutMember = "result_left_out";

    public required AgentEventName Name { get; init; }
    public required JsonElement Data { get; init; }

    [JsonIgnore]
    public bool IsResultLeftOut =>
        Name == AgentEventName.Warning && Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(LeftOutMember, out var isLeftOut)
            && isLeftOut.ValueKind == JsonValueKind.True;
}

/// <summary>Each becomes a watch event of that type. Values are part of the wire contract.</summary>
[JsonConverter(typeof(SnakeCaseEnum<AgentEventName>))]
public enum AgentEventName
{
    /// <summary>The agent's progress: <c>percent</c>, <c>step</c>.</summary>
    Progress,

    /// <summary>Starts a group of lines with a <c>name</c>, up to the next one.</summary>
    Group,

    Warning,

    /// <summary>Something that the agent made, by its <c>name</c>.</summary>
    Artifact,

    /// <summary>What an agent CLI says to its user.</summary>
    Message,

    /// <summary>What an agent CLI does.</summary>
    Tool,

    /// <summary>A result; the last one is the attempt's.</summary>
    Result,
}

/// <summary>A receipt: the agent's stdin has this input, at this place among its lines.</summary>
public sealed record AttemptInput : AttemptRecord
{
    /// <summary>The id of the <see cref="TaskInput"/>.</summary>
    public required string InputId { get; init; }

    /// <summary>With secrets masked.</summary>
    public string? Text { get; init; }

    public bool Close { get; init; }
    public string? RequestedBy { get; init; }

    /// <summary>It was not written: the agent no longer reads its stdin.</summary>
    public bool Refused { get; init; }
}

/// <summary>A receipt: the worker has the STOP and is ending the agent.</summary>
public sealed record TaskStopping : AttemptRecord
{
    public required string Worker { get; init; }
    public string? RequestedBy { get; init; }
}

/// <summary>A receipt: the agent and all its child processes are paused.</summary>
public sealed record AttemptPaused : AttemptRecord
{
    public string? RequestedBy { get; init; }
}

/// <summary>A receipt: they continue.</summary>
public sealed record AttemptResumed : AttemptRecord
{
    public string? RequestedBy { get; init; }
}

/// <summary>The outcome of an attempt, acknowledged by Kafka before it has consequences. An attempt with an outcome is never run again.</summary>
public sealed record AttemptExited : AttemptRecord
{
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended the agent, such as <c>SIGKILL</c>.</summary>
    public string? Signal { get; init; }

    public required EndReason Reason { get; init; }

    /// <summary>The failure for a person; the tail of stderr if there is one.</summary>
    public string? Error { get; init; }

    /// <summary>The last line of stdout that was a JSON object: the agent's own report about its end.</summary>
    public JsonElement? Event { get; init; }

    /// <summary>The agent's result, at most 64 KiB.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When the agent reported it.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>Its last result was larger and is left out; no earlier result replaces it.</summary>
    public bool? ResultLeftOut { get; init; }

    /// <summary>How many lines the attempt printed, including those of a gap.</summary>
    public required long Lines { get; init; }

    /// <summary>Hash of the published lines, see <see cref="OutputHash"/>.</summary>
    public required string Hash { get; init; }

    /// <summary>For an agent that was ended: the signal that ended the last of its processes, <c>TERM</c> or <c>KILL</c>. Null if it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>For an agent that was ended: milliseconds from the order until all its processes had ended.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes the worker ended.</summary>
    public int ProcessesEnded { get; init; }

    /// <summary>Names of up to 20 programs that did not end within the grace period and got SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    /// <summary>The files that the agent left.</summary>
    public IReadOnlyList<Artifact>? Artifacts { get; init; }

    /// <summary>How many of its files were not kept: too many or too large, links instead of files, or not readable.</summary>
    public int? ArtifactsLeftOut { get; init; }
}

/// <summary>A file that an agent left.</summary>
/// <param name="Name">Path below <c>TASK_ARTIFACTS</c>, with <c>/</c>.</param>
/// <param name="Size">In bytes.</param>
public sealed record Artifact(string Name, long Size);

/// <summary>The lane moves to another worker while the attempt continues here. The next owner keeps the attempt, and writes its end.</summary>
public sealed record AttemptHandedOver : AttemptRecord;

/// <summary>
/// The attempt is running. Written at intervals, so that it is known even after retention has removed its <c>starting</c>; and often while another
/// worker owns its lane, which counts it as lost when these records stop.
/// </summary>
public sealed record AttemptHeartbeat : AttemptRecord
{
    public required string Worker { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public string? ConfigHash { get; init; }

    /// <summary>As in <see cref="AttemptStarting"/>.</summary>
    public string? TypeHash { get; init; }
}

/// <summary>The attempt was given back by a worker that shut down, or was lost although its worker is alive; it is not charged.</summary>
public sealed record AttemptAbandoned : AttemptRecord
{
    public required EndReason Reason { get; init; }

    /// <summary>How it was lost, if the worker knows.</summary>
    public string? Error { get; init; }
}

/// <summary>
/// What is known about an unended task, written by the API before retention removes the records. A reader that knows less takes it from here; for all
/// others it changes nothing.
/// </summary>
public sealed record AttemptsSnapshot : ClaimedRecord
{
    public required string TaskId { get; init; }

    /// <summary>The attempts that are not in the committed state.</summary>
    public required IReadOnlyList<AttemptSummary> Attempts { get; init; }

    /// <summary>Outcome of the last one, if it has one.</summary>
    public AttemptExited? Outcome { get; init; }

    /// <summary>Whether the last one is open and was handed over.</summary>
    public bool HandedOver { get; init; }

    /// <summary>Offset of the last record of the task that counted.</summary>
    public required long LogEnd { get; init; }

    /// <summary>The offset after the last record of the lane that is included here.</summary>
    public required long ReadUpTo { get; init; }
}

/// <summary>The task's last record. Written together with the task's state; it counts only once that is committed.</summary>
public sealed record TaskEnded : ClaimedRecord
{
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }
    public required Status Status { get; init; }
    public EndReason? Reason { get; init; }
    public int? ExitCode { get; init; }
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>task-progress</c>, the write-ahead log of attempts. Software decides on <c>kind</c> and its fields;
/// <see cref="Update"/> is text for people, so that a consumer that knows only <c>{task_id, update}</c> works.
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
    /// <summary>The claim of the lane under which this was written.</summary>
    public required long Epoch { get; init; }

    /// <summary>Random id of that claim: tells two claims of one epoch apart where no transaction made the epoch unique.</summary>
    public required string Owner { get; init; }
}

/// <summary>An event of the user's own in a task's timeline, written by the API. It needs no claim, and nothing follows from it.</summary>
public sealed record TaskEmitted : ProgressRecord
{
    public required string TaskId { get; init; }

    /// <summary>Two records with one id are the same event.</summary>
    public required string EventId { get; init; }

    public required string Name { get; init; }
    public JsonElement? Data { get; init; }
}

/// <summary>
/// Behind it, records of earlier claims are void for every reader, but for those of the attempts that it keeps. Attempts of earlier claims that it
/// does not keep are lost with it. An owner may write a second one to drop what its first one kept.
/// </summary>
public sealed record LaneBarrier : ClaimedRecord
{
    public required int Lane { get; init; }
    public required string Worker { get; init; }

    /// <summary>Attempts of earlier claims that go on, and are heard.</summary>
    public IReadOnlyList<KeptAttempt> Keeps { get; set; } = [];
}

public sealed record KeptAttempt(string TaskId, int Attempt);

public abstract record AttemptRecord : ClaimedRecord
{
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }
}

/// <summary>Acknowledged by Kafka before the agent is spawned.</summary>
public sealed record AttemptStarting : AttemptRecord
{
    public required string Worker { get; init; }

    /// <summary>Hash of the project config that the attempt runs with.</summary>
    public string? ConfigHash { get; init; }

    /// <summary>Hash of the catalogue entry that the attempt runs by. It is not that of the task where its type has changed since.</summary>
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

/// <summary>One line of output. Long lines travel in parts, each with its own <paramref name="Seq"/>; <paramref name="Part"/> counts them from 1.</summary>
/// <param name="Seq">From 1 per attempt, without gaps but for those that an <see cref="OutputGap"/> tells of.</param>
/// <param name="Cut">How many bytes of the line are left out because it is too long; the text says so too.</param>
public sealed record OutputLine(long Seq, OutputStream Stream, string Text, DateTimeOffset At, int? Part = null, bool? Last = null, long? Cut = null);

/// <summary>Lines that the agent printed and that were not kept: what came between the head and the tail of an output beyond its limit.</summary>
public sealed record OutputGap : AttemptRecord
{
    /// <summary>The first of them, as <see cref="OutputLine.Seq"/> counts.</summary>
    public required long From { get; init; }

    /// <summary>The last one.</summary>
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

/// <summary>What the agent said of its work, in a form that the worker understands. The line in which it did is one of the lines before.</summary>
public sealed record AgentEvent : AttemptRecord
{
    /// <summary>A warning with this member, <c>true</c>, says that the agent's latest result is too large and is left out.</summary>
    public const string LeftOutMember = "result_left_out";

    public required AgentEventName Name { get; init; }
    public required JsonElement Data { get; init; }

    [JsonIgnore]
    public bool IsResultLeftOut =>
        Name == AgentEventName.Warning && Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(LeftOutMember, out var isLeftOut)
            && isLeftOut.ValueKind == JsonValueKind.True;
}

/// <summary>Watchers are told of each as an event of that type. Values are part of the wire contract.</summary>
[JsonConverter(typeof(SnakeCaseEnum<AgentEventName>))]
public enum AgentEventName
{
    /// <summary>How far it is: <c>percent</c>, <c>step</c>.</summary>
    Progress,

    /// <summary>What follows belongs together under a <c>name</c>, up to the next one.</summary>
    Group,

    Warning,

    /// <summary>Something that it made, by its <c>name</c>.</summary>
    Artifact,

    /// <summary>What an agent CLI says to its user.</summary>
    Message,

    /// <summary>What an agent CLI does.</summary>
    Tool,

    /// <summary>What came out; the last one is the attempt's.</summary>
    Result,
}

/// <summary>A receipt: the agent's stdin has what somebody sent, in this place among its lines.</summary>
public sealed record AttemptInput : AttemptRecord
{
    /// <summary>Of the <see cref="TaskInput"/>.</summary>
    public required string InputId { get; init; }

    /// <summary>Without secrets.</summary>
    public string? Text { get; init; }

    public bool Close { get; init; }
    public string? RequestedBy { get; init; }

    /// <summary>It was not written: the agent reads no more.</summary>
    public bool Refused { get; init; }
}

/// <summary>A receipt: the worker has the STOP and is ending the agent.</summary>
public sealed record TaskStopping : AttemptRecord
{
    public required string Worker { get; init; }
    public string? RequestedBy { get; init; }
}

/// <summary>A receipt: the agent and all it has started stand still.</summary>
public sealed record AttemptPaused : AttemptRecord
{
    public string? RequestedBy { get; init; }
}

/// <summary>A receipt: they go on.</summary>
public sealed record AttemptResumed : AttemptRecord
{
    public string? RequestedBy { get; init; }
}

/// <summary>The outcome of an attempt, acknowledged by Kafka before anything follows from it. An agent that has one is never run again for it.</summary>
public sealed record AttemptExited : AttemptRecord
{
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended the agent, such as <c>SIGKILL</c>.</summary>
    public string? Signal { get; init; }

    public required EndReason Reason { get; init; }

    /// <summary>What a person needs to know of a failure; the tail of stderr where there is one.</summary>
    public string? Error { get; init; }

    /// <summary>The last line of stdout that was a JSON object: what the agent itself says of its end.</summary>
    public JsonElement? Event { get; init; }

    /// <summary>What the agent gave as its result, in at most 64 KiB.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When it gave that.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>Its last result was larger than that: it is left out, and no earlier one stands in its place.</summary>
    public bool? ResultLeftOut { get; init; }

    /// <summary>How many lines the attempt printed, those of a gap among them.</summary>
    public required long Lines { get; init; }

    /// <summary>Of those that were published, as <see cref="OutputHash"/> has it.</summary>
    public required string Hash { get; init; }

    /// <summary>Of an agent that was ended: the signal that it took for all of it, <c>TERM</c> or <c>KILL</c>. Null where it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Of an agent that was ended: the milliseconds from the order until nothing of it was left.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes were ended by us.</summary>
    public int ProcessesEnded { get; init; }

    /// <summary>Names of the programs, up to 20, that had not ended within their grace and needed SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    /// <summary>What the agent has left behind.</summary>
    public IReadOnlyList<Artifact>? Artifacts { get; init; }

    /// <summary>How many files it left that were not kept: more than there may be, no files but links, or such as cannot be read or named.</summary>
    public int? ArtifactsLeftOut { get; init; }
}

/// <summary>A file that an agent has left behind.</summary>
/// <param name="Name">With <c>/</c>, below <c>TASK_ARTIFACTS</c>.</param>
/// <param name="Size">In bytes.</param>
public sealed record Artifact(string Name, long Size);

/// <summary>The lane goes to another worker while the attempt goes on here. The next owner keeps it, and writes its end.</summary>
public sealed record AttemptHandedOver : AttemptRecord;

/// <summary>
/// The attempt goes on: written now and then, so that what it does is known also when its <c>starting</c> has outlived its retention, and often
/// while its lane is another worker's, which counts it as lost when it falls silent.
/// </summary>
public sealed record AttemptHeartbeat : AttemptRecord
{
    public required string Worker { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public string? ConfigHash { get; init; }

    /// <summary>As in <see cref="AttemptStarting"/>.</summary>
    public string? TypeHash { get; init; }
}

/// <summary>The attempt was given back by a worker that shut down, or was lost though its worker lives; it is not charged.</summary>
public sealed record AttemptAbandoned : AttemptRecord
{
    public required EndReason Reason { get; init; }

    /// <summary>How it was lost, where the worker knows it.</summary>
    public string? Error { get; init; }
}

/// <summary>
/// What is known of a task that has not ended, written by the API before retention takes the records that say so. A reader that knows less learns
/// it from here; for all others it changes nothing.
/// </summary>
public sealed record AttemptsSnapshot : ClaimedRecord
{
    public required string TaskId { get; init; }

    /// <summary>Those that the committed state does not know.</summary>
    public required IReadOnlyList<AttemptSummary> Attempts { get; init; }

    /// <summary>Of the last one, where it has one.</summary>
    public AttemptExited? Outcome { get; init; }

    /// <summary>Whether the last one is open and was handed over.</summary>
    public bool HandedOver { get; init; }

    /// <summary>Offset of the last record of the task that counted.</summary>
    public required long LogEnd { get; init; }

    /// <summary>Offset behind the last record of the lane that is accounted for here.</summary>
    public required long ReadUpTo { get; init; }
}

/// <summary>Terminal. Written together with the task's state; it counts only once that is committed.</summary>
public sealed record TaskEnded : ClaimedRecord
{
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }
    public required Status Status { get; init; }
    public EndReason? Reason { get; init; }
    public int? ExitCode { get; init; }
}

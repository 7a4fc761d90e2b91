using System.Text.Json;
using System.Text.Json.Nodes;

namespace TaskPipeline.Client;

/// <summary>All that is known of a task, but its output.</summary>
public sealed record TaskDetail : TaskSummary
{
    /// <summary>As they were submitted.</summary>
    public required JsonObject Params { get; init; }

    /// <summary>Name of the signal that ended its agent.</summary>
    public string? Signal { get; init; }

    /// <summary>What a person needs to know of a failure.</summary>
    public string? Error { get; init; }

    /// <summary>What its agent gave as the result; while it runs, the latest.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When its agent gave that.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>Whether that was too large, and is left out.</summary>
    public bool ResultLeftOut { get; init; }

    /// <summary>What of its end is not kept because Kafka would not have taken it, such as <c>artifacts</c>, <c>errors</c> or <c>params</c>.</summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    /// <summary>It lies in the dead letters.</summary>
    public bool DeadLettered { get; init; }

    /// <summary>How many tasks of its lane come before it.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>Why it waits although its turn may have come.</summary>
    public KeyHolder? WaitsFor { get; init; }

    /// <summary>Each run of its agent.</summary>
    public required IReadOnlyList<TaskAttempt> Attempts { get; init; }

    /// <summary>The tasks that repeat it.</summary>
    public IReadOnlyList<string>? Replays { get; init; }

    /// <summary>Hash of its type in the catalogue, as that was when it was submitted.</summary>
    public string? TypeHash { get; init; }

    /// <summary>That of the task which it repeats, where the type had changed between the two.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The request to stop, where there was one.</summary>
    public TaskStop? Stop { get; init; }

    /// <summary>The place behind all of this, where a watch can begin, and a wait for news (<see cref="TaskPipelineClient.GetAsync"/>).</summary>
    public required string Cursor { get; init; }
}

/// <summary>One run of an agent; without an end it is still going on.</summary>
public sealed record TaskAttempt
{
    /// <summary>From 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>Who ran it.</summary>
    public required string Worker { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Why it ended.</summary>
    public string? Reason { get; init; }

    /// <summary>Of the agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended the agent.</summary>
    public string? Signal { get; init; }

    /// <summary>What a person needs to know of a failure.</summary>
    public string? Error { get; init; }

    /// <summary>Whose failure it was.</summary>
    public string? Class { get; init; }

    /// <summary>How many lines it printed.</summary>
    public long? Lines { get; init; }

    /// <summary>Of those lines, as <see cref="OutputVerifier"/> computes it.</summary>
    public string? Hash { get; init; }

    /// <summary>Hash of the catalogue entry that it ran by; not the task's where the type had changed by then.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The signal that ended all of it, <c>TERM</c> or <c>KILL</c>; missing where it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Milliseconds from the order to end it until nothing of it was left.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes were ended.</summary>
    public int? ProcessesEnded { get; init; }

    /// <summary>Names of the programs that had not ended within their grace and needed SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }
}

/// <summary>Who asked for a stop, and why.</summary>
public sealed record TaskStop
{
    /// <summary>Without grace.</summary>
    public bool Force { get; init; }

    /// <summary>Over what it came.</summary>
    public string? RequestedBy { get; init; }

    /// <summary>What was given.</summary>
    public string? Reason { get; init; }

    /// <summary>When.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>It had ended by itself.</summary>
    public bool TooLate { get; init; }
}

/// <summary>The task that has what another one waits for.</summary>
public sealed record KeyHolder
{
    /// <summary>The concurrency key that is waited for.</summary>
    public required string Key { get; init; }

    /// <summary>Who has it; while it changes hands, who is next. Of a task whose attempt was lost, that one, also where it is the one that waits.</summary>
    public required string TaskId { get; init; }

    /// <summary>An attempt was lost with its worker, and until then it may still live where nobody hears it.</summary>
    public DateTimeOffset? Until { get; init; }
}

/// <summary>How a task is to be stopped.</summary>
public sealed record StopRequest
{
    /// <summary>For the people who read the task's history.</summary>
    public string? Reason { get; init; }

    /// <summary>At once, without the grace that its type gives it.</summary>
    public bool Force { get; init; }
}

/// <summary>A text that is on its way to an agent's stdin. The event <see cref="InputEvent"/> with its id says that it has come there.</summary>
public sealed record SentInput
{
    /// <summary>Whose agent.</summary>
    public required string TaskId { get; init; }

    /// <summary>Which attempt's.</summary>
    public required int Attempt { get; init; }

    /// <summary>Its own id.</summary>
    public required string InputId { get; init; }
}

/// <summary>An event that was put into a task's timeline.</summary>
public sealed record SentEvent
{
    /// <summary>Of which task.</summary>
    public required string TaskId { get; init; }

    /// <summary>Its own id (<see cref="EmittedEvent.EventId"/>).</summary>
    public required string EventId { get; init; }
}

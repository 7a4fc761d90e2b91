using System.Text.Json;
using System.Text.Json.Nodes;

namespace TaskPipeline.Client;

/// <summary>All details of a task, without its output.</summary>
public sealed record TaskDetail : TaskSummary
{
    /// <summary>Its params, as submitted.</summary>
    public required JsonObject Params { get; init; }

    /// <summary>Name of the signal that ended its agent.</summary>
    public string? Signal { get; init; }

    /// <summary>Description of the failure, for people.</summary>
    public string? Error { get; init; }

    /// <summary>The result that its agent reported; while it runs, the latest one.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When its agent reported the result.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>Whether the result was left out because it was too large.</summary>
    public bool ResultLeftOut { get; init; }

    /// <summary>
    /// Fields of its end that were left out because the record was too large for Kafka, such as <c>artifacts</c>, <c>errors</c> or <c>params</c>.
    /// </summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    /// <summary>Whether it is a dead letter.</summary>
    public bool DeadLettered { get; init; }

    /// <summary>How many tasks of its lane are before it.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>The task whose concurrency key it waits for.</summary>
    public KeyHolder? WaitsFor { get; init; }

    /// <summary>Its attempts.</summary>
    public required IReadOnlyList<TaskAttempt> Attempts { get; init; }

    /// <summary>Ids of the tasks that repeat it.</summary>
    public IReadOnlyList<string>? Replays { get; init; }

    /// <summary>Hash of its type in the catalogue when it was submitted.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The type hash of the task that it repeats; only if the type had changed in between.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The stop request, if there was one.</summary>
    public TaskStop? Stop { get; init; }

    /// <summary>The cursor after all of this. A watch can begin there, and <see cref="TaskPipelineClient.GetAsync"/> can wait for news after it.</summary>
    public required string Cursor { get; init; }
}

/// <summary>One run of a task's agent. Without an end it still runs.</summary>
public sealed record TaskAttempt
{
    /// <summary>Its number, from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>The worker that ran it.</summary>
    public required string Worker { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Why it ended.</summary>
    public string? Reason { get; init; }

    /// <summary>Exit code of the agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended the agent.</summary>
    public string? Signal { get; init; }

    /// <summary>Description of the failure, for people.</summary>
    public string? Error { get; init; }

    /// <summary>Failure class: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }

    /// <summary>How many lines it printed.</summary>
    public long? Lines { get; init; }

    /// <summary>Hash of those lines, as <see cref="OutputVerifier"/> computes it.</summary>
    public string? Hash { get; init; }

    /// <summary>Hash of the type that it ran with; it differs from the task's if the type had changed.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The signal that was needed to end all of it, <c>TERM</c> or <c>KILL</c>; null if it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Milliseconds from the order to end it until no process was left.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes were ended.</summary>
    public int? ProcessesEnded { get; init; }

    /// <summary>Names of the programs that did not end within their grace period and needed SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }
}

/// <summary>A stop request.</summary>
public sealed record TaskStop
{
    /// <summary>Whether the agent was ended at once, without a grace period.</summary>
    public bool Force { get; init; }

    /// <summary>Where it came from, such as <c>http</c> or <c>websocket</c>.</summary>
    public string? RequestedBy { get; init; }

    /// <summary>The reason that was given.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was requested.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>Whether the task had already ended by itself.</summary>
    public bool TooLate { get; init; }
}

/// <summary>The holder of a concurrency key that another task waits for.</summary>
public sealed record KeyHolder
{
    /// <summary>The concurrency key.</summary>
    public required string Key { get; init; }

    /// <summary>
    /// The task that has the key; while the key changes hands, the next one. After a lost attempt it is that attempt's task, which can be the waiting
    /// task itself.
    /// </summary>
    public required string TaskId { get; init; }

    /// <summary>After an attempt was lost with its worker: until when it may still run unnoticed.</summary>
    public DateTimeOffset? Until { get; init; }
}

/// <summary>How a task is to be stopped.</summary>
public sealed record StopRequest
{
    /// <summary>A reason for people who read the task's history.</summary>
    public string? Reason { get; init; }

    /// <summary>Ends the agent at once, without the grace period of its type.</summary>
    public bool Force { get; init; }
}

/// <summary>Input for an agent's stdin that the server has accepted. The <see cref="InputEvent"/> with its id says when the agent has it.</summary>
public sealed record SentInput
{
    /// <summary>The task's id.</summary>
    public required string TaskId { get; init; }

    /// <summary>The attempt that gets it.</summary>
    public required int Attempt { get; init; }

    /// <summary>The input's id.</summary>
    public required string InputId { get; init; }
}

/// <summary>An event that was added to a task's timeline.</summary>
public sealed record SentEvent
{
    /// <summary>The task's id.</summary>
    public required string TaskId { get; init; }

    /// <summary>The event's id (<see cref="EmittedEvent.EventId"/>).</summary>
    public required string EventId { get; init; }
}

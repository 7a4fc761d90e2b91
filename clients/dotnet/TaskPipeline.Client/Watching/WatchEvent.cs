using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>An event that a watcher receives.</summary>
public abstract record WatchEvent
{
    /// <summary>Its type in the protocol, such as <c>lines</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The task's id; empty if the event belongs to no task.</summary>
    public string TaskId { get; init; } = "";

    /// <summary>The cursor after this event: a later watch can continue there (<see cref="WatchOptions.From"/>). It is opaque.</summary>
    public string? Cursor { get; init; }

    /// <summary>The place after this event in a watch of many tasks (<see cref="ViewOptions.From"/>). It is opaque.</summary>
    public string? Place { get; init; }

    /// <summary>When it happened.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>The event as it arrived, a JSON object in UTF-8, including fields that this version does not know.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<byte> Json { get; internal set; }
}

/// <summary>The first event: where the watch begins.</summary>
public sealed record HelloEvent : WatchEvent
{
    /// <summary>The task's status.</summary>
    public required Status Status { get; init; }

    /// <summary>The earliest cursor.</summary>
    public string? Earliest { get; init; }

    /// <summary>The latest cursor.</summary>
    public string? Latest { get; init; }

    /// <summary>The longest silence of a connection that works.</summary>
    [JsonConverter(typeof(SecondsJson))]
    public TimeSpan? Heartbeat { get; init; }
}

/// <summary>The task has another status, or another attempt.</summary>
public sealed record StateEvent : WatchEvent
{
    /// <summary>The new status.</summary>
    public required Status Status { get; init; }

    /// <summary>The attempt; 0 before the first one.</summary>
    public int Attempt { get; init; }

    /// <summary>The task's project.</summary>
    public string? Project { get; init; }

    /// <summary>The worker that runs it.</summary>
    public string? Worker { get; init; }

    /// <summary>Where the request came from, such as <c>http</c>, if somebody requested this.</summary>
    public string? RequestedBy { get; init; }

    /// <summary>The reason.</summary>
    public string? Reason { get; init; }

    /// <summary>When it continues, if it waits for its time.</summary>
    public DateTimeOffset? DueAt { get; init; }
}

/// <summary>Consecutive lines of one attempt.</summary>
public sealed record LinesEvent : WatchEvent
{
    /// <summary>The attempt that printed them.</summary>
    public required int Attempt { get; init; }

    /// <summary>At least one line.</summary>
    public required IReadOnlyList<OutputLine> Lines { get; init; }
}

/// <summary>Lines that are missing.</summary>
public sealed record GapEvent : WatchEvent
{
    /// <summary>The server no longer has them.</summary>
    public const string NotKept = "not_kept";

    /// <summary>The worker left them out because of the output limit.</summary>
    public const string OutputLimit = "output_limit";

    /// <summary>The attempt that printed them.</summary>
    public required int Attempt { get; init; }

    /// <summary>Number of the first missing line.</summary>
    public required long From { get; init; }

    /// <summary>Number of the last missing line.</summary>
    public required long To { get; init; }

    /// <summary>How many lines are missing.</summary>
    [JsonIgnore]
    public long Count => To - From + 1;

    /// <summary><see cref="NotKept"/> or <see cref="OutputLimit"/>.</summary>
    public string? Reason { get; init; }
}

/// <summary>Input for the agent's stdin.</summary>
public sealed record InputEvent : WatchEvent
{
    /// <summary>The attempt that got it.</summary>
    public int Attempt { get; init; }

    /// <summary>The <see cref="SentInput.InputId"/>.</summary>
    public required string InputId { get; init; }

    /// <summary>The text; null if stdin was only closed.</summary>
    public string? Text { get; init; }

    /// <summary>Whether stdin was closed after the text.</summary>
    public bool Close { get; init; }

    /// <summary>Whether the agent did not get it, and never will.</summary>
    public bool Refused { get; init; }

    /// <summary>Where it came from, such as <c>http</c>.</summary>
    public string? RequestedBy { get; init; }
}

/// <summary>How an attempt ended. A later event says what follows: an end or another attempt.</summary>
public sealed record ExitedEvent : WatchEvent
{
    /// <summary>The attempt's number.</summary>
    public required int Attempt { get; init; }

    /// <summary>Why it ended, such as <c>exit_code</c> or <c>user_request</c>.</summary>
    public required string Reason { get; init; }

    /// <summary>Exit code of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended its agent.</summary>
    public string? Signal { get; init; }
}

/// <summary>The events of the past have been sent; what follows is new.</summary>
public sealed record CaughtUpEvent : WatchEvent;

/// <summary>The first event of a watch of many tasks. What follows is new; <see cref="TaskPipelineClient.ListAsync"/> returns the current statuses.</summary>
public sealed record ViewHelloEvent : WatchEvent
{
    /// <summary>The project that is watched; null: all.</summary>
    public string? Project { get; init; }

    /// <inheritdoc cref="HelloEvent.Heartbeat"/>
    [JsonConverter(typeof(SecondsJson))]
    public TimeSpan? Heartbeat { get; init; }
}

/// <summary>
/// Some events were not sent: the watcher of many tasks was disconnected for too long, or has reconnected to another replica.
/// <see cref="TaskPipelineClient.ListAsync"/> returns the current statuses.
/// </summary>
public sealed record MissedEvent : WatchEvent
{
    /// <summary>How many, over all projects; null if unknown.</summary>
    public long? Count { get; init; }
}

/// <summary>An event of a type that this version does not know. <see cref="WatchEvent.Json"/> has its content.</summary>
public sealed record UnknownEvent : WatchEvent;

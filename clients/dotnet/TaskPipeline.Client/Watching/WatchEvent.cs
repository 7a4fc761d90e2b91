using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>What a watcher is told.</summary>
public abstract record WatchEvent
{
    /// <summary>The wire's word for it, such as <c>lines</c>.</summary>
    public required string Type { get; init; }

    /// <summary>Of which task; empty in what a watcher of many tasks is told of none of them.</summary>
    public string TaskId { get; init; } = "";

    /// <summary>The place behind it, where a later watch can go on (<see cref="WatchOptions.From"/>). It is opaque.</summary>
    public string? Cursor { get; init; }

    /// <summary>Where many tasks are watched, the place behind it among all that a replica tells (<see cref="ViewOptions.From"/>). It is opaque.</summary>
    public string? Place { get; init; }

    /// <summary>When it happened.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>The event as it came, a JSON object in UTF-8, with whatever this version does not know.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<byte> Json { get; internal set; }
}

/// <summary>First of all: where the watch begins.</summary>
public sealed record HelloEvent : WatchEvent
{
    /// <summary>Where the task stands.</summary>
    public required Status Status { get; init; }

    /// <summary>The earliest place there is.</summary>
    public string? Earliest { get; init; }

    /// <summary>The latest place there is.</summary>
    public string? Latest { get; init; }

    /// <summary>How long the connection may be silent.</summary>
    [JsonConverter(typeof(SecondsJson))]
    public TimeSpan? Heartbeat { get; init; }
}

/// <summary>The task has come to another state, or to a further attempt.</summary>
public sealed record StateEvent : WatchEvent
{
    /// <summary>Where it stands now.</summary>
    public required Status Status { get; init; }

    /// <summary>The attempt; 0 before the first one.</summary>
    public int Attempt { get; init; }

    /// <summary>The task's project.</summary>
    public string? Project { get; init; }

    /// <summary>Who runs it.</summary>
    public string? Worker { get; init; }

    /// <summary>Over what it was asked for, where somebody did.</summary>
    public string? RequestedBy { get; init; }

    /// <summary>Why.</summary>
    public string? Reason { get; init; }

    /// <summary>When it goes on, where it waits for its time.</summary>
    public DateTimeOffset? DueAt { get; init; }
}

/// <summary>Lines of one attempt in a row.</summary>
public sealed record LinesEvent : WatchEvent
{
    /// <summary>The attempt that printed them.</summary>
    public required int Attempt { get; init; }

    /// <summary>At least one.</summary>
    public required IReadOnlyList<OutputLine> Lines { get; init; }
}

/// <summary>Lines that are missing.</summary>
public sealed record GapEvent : WatchEvent
{
    /// <summary>The server has them no more.</summary>
    public const string NotKept = "not_kept";

    /// <summary>The worker left them out.</summary>
    public const string OutputLimit = "output_limit";

    /// <summary>The attempt that printed them.</summary>
    public required int Attempt { get; init; }

    /// <summary>The first of them.</summary>
    public required long From { get; init; }

    /// <summary>The last of them.</summary>
    public required long To { get; init; }

    /// <summary>How many they are.</summary>
    [JsonIgnore]
    public long Count => To - From + 1;

    /// <summary><see cref="NotKept"/> or <see cref="OutputLimit"/>.</summary>
    public string? Reason { get; init; }
}

/// <summary>What was given to the agent's stdin.</summary>
public sealed record InputEvent : WatchEvent
{
    /// <summary>Whose stdin.</summary>
    public int Attempt { get; init; }

    /// <summary>As <see cref="SentInput.InputId"/>.</summary>
    public required string InputId { get; init; }

    /// <summary>The text; missing where stdin was only closed.</summary>
    public string? Text { get; init; }

    /// <summary>Stdin was closed behind it.</summary>
    public bool Close { get; init; }

    /// <summary>The agent has it not, and never will.</summary>
    public bool Refused { get; init; }

    /// <summary>Over what it came.</summary>
    public string? RequestedBy { get; init; }
}

/// <summary>How an attempt ended. What follows from that, an end or another attempt, is told when it is decided.</summary>
public sealed record ExitedEvent : WatchEvent
{
    /// <summary>Which attempt.</summary>
    public required int Attempt { get; init; }

    /// <summary>Why, such as <c>exit_code</c> or <c>user_request</c>.</summary>
    public required string Reason { get; init; }

    /// <summary>Of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended its agent.</summary>
    public string? Signal { get; init; }
}

/// <summary>All that had happened before the watch was told; what follows is new.</summary>
public sealed record CaughtUpEvent : WatchEvent;

/// <summary>First of all where many tasks are watched: what follows is new, and <see cref="TaskPipelineClient.ListAsync"/> says how things stand.</summary>
public sealed record ViewHelloEvent : WatchEvent
{
    /// <summary>Whose tasks are watched; null: all.</summary>
    public string? Project { get; init; }

    /// <inheritdoc cref="HelloEvent.Heartbeat"/>
    [JsonConverter(typeof(SecondsJson))]
    public TimeSpan? Heartbeat { get; init; }
}

/// <summary>Where many tasks are watched, and the watcher was away for too long, or has come to another replica: some events were not told. <see cref="TaskPipelineClient.ListAsync"/> says how things stand.</summary>
public sealed record MissedEvent : WatchEvent
{
    /// <summary>How many, of all projects; null where nobody knows.</summary>
    public long? Count { get; init; }
}

/// <summary>Of a type that this version does not know: <see cref="WatchEvent.Json"/> has it all.</summary>
public sealed record UnknownEvent : WatchEvent;

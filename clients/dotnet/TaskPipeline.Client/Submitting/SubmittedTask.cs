namespace TaskPipeline.Client;

/// <summary>A task that the server has taken.</summary>
public sealed record SubmittedTask
{
    /// <summary>Its id.</summary>
    public required string TaskId { get; init; }

    /// <summary>Where it stands: one that was submitted before may have come further than its queue.</summary>
    public required Status Status { get; init; }

    /// <summary>Where it can be followed.</summary>
    public required TaskLinks Links { get; init; }

    /// <summary>When it comes into its queue, where that is later.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>Of a replay and a redrive: the type is not what it was for the task that is repeated.</summary>
    public bool TypeChanged { get; init; }

    /// <summary>Hash of the type; only where it has changed.</summary>
    public string? TypeHash { get; init; }

    /// <summary>What it was for the task that is repeated; only where it has changed.</summary>
    public string? PreviousTypeHash { get; init; }
}

/// <summary>Where a task can be followed. They name the place of its record, so that every replica can answer for it at once.</summary>
public sealed record TaskLinks
{
    /// <summary>All that is known of it.</summary>
    public required string Self { get; init; }

    /// <summary>The WebSocket.</summary>
    public required string Watch { get; init; }

    /// <summary>The same events as server-sent ones.</summary>
    public required string Events { get; init; }

    /// <summary>Its output.</summary>
    public required string Output { get; init; }

    /// <summary>Stops it.</summary>
    public required string Stop { get; init; }
}

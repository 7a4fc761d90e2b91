namespace TaskPipeline.Client;

/// <summary>A task that the server has accepted.</summary>
public sealed record SubmittedTask
{
    /// <summary>Its id.</summary>
    public required string TaskId { get; init; }

    /// <summary>Its status. After a repeated submission it can be further than queued.</summary>
    public required Status Status { get; init; }

    /// <summary>Links to follow it.</summary>
    public required TaskLinks Links { get; init; }

    /// <summary>When it enters its queue, if that is later.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>Of a replay or redrive: whether the type has changed since the repeated task.</summary>
    public bool TypeChanged { get; init; }

    /// <summary>Hash of the type; only if it has changed.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The hash when the repeated task was submitted; only if it has changed.</summary>
    public string? PreviousTypeHash { get; init; }
}

/// <summary>Links to follow a task. They contain the position of its record, so every replica can answer at once.</summary>
public sealed record TaskLinks
{
    /// <summary>Its details.</summary>
    public required string Self { get; init; }

    /// <summary>Its events over WebSocket.</summary>
    public required string Watch { get; init; }

    /// <summary>Its events as server-sent events.</summary>
    public required string Events { get; init; }

    /// <summary>Its output.</summary>
    public required string Output { get; init; }

    /// <summary>Stops it.</summary>
    public required string Stop { get; init; }
}

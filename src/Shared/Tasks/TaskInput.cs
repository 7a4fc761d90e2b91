namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>task-input</c>, in the partition of the task's lane: a line for the agent's stdin, or its end. It is for one attempt;
/// later attempts start without it.
/// </summary>
public sealed record TaskInput
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }

    /// <summary>Two records with the same id are the same input.</summary>
    public required string InputId { get; init; }

    /// <summary>Without the line feed that is written after it; null: nothing is written.</summary>
    public string? Text { get; init; }

    /// <summary>The agent's stdin is closed after it.</summary>
    public bool Close { get; init; }

    public string? RequestedBy { get; init; }
    public DateTimeOffset? At { get; init; }
}

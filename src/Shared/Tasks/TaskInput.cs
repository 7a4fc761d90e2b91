namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A record of the topic <c>task-input</c>, in the partition of the task's lane: a line for the agent's stdin, or its end. It is for one attempt;
/// another one begins without it.
/// </summary>
public sealed record TaskInput
{
    public int V { get; set; } = 1;
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }

    /// <summary>Two records with one id are the same input.</summary>
    public required string InputId { get; init; }

    /// <summary>Without the line feed that the agent reads behind it; null: nothing is written.</summary>
    public string? Text { get; init; }

    /// <summary>Nothing follows: the agent comes to the end of its stdin.</summary>
    public bool Close { get; init; }

    public string? RequestedBy { get; init; }
    public DateTimeOffset? At { get; init; }
}

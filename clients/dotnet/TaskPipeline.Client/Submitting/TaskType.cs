using System.Text.Json.Nodes;

namespace TaskPipeline.Client;

/// <summary>A type of task that the server takes, or one of the commands of such a type.</summary>
public sealed record TaskType
{
    /// <summary>Its name.</summary>
    public required string Type { get; init; }

    /// <summary>The command, where the type has commands.</summary>
    public string? Command { get; init; }

    /// <summary>A line for people.</summary>
    public string? Summary { get; init; }

    /// <summary>JSON Schema of a task's params.</summary>
    public required JsonObject Params { get; init; }

    /// <summary>Changes with the type's rules.</summary>
    public required string Hash { get; init; }
}

internal sealed record TaskTypeList
{
    public required IReadOnlyList<TaskType> Types { get; init; }
}

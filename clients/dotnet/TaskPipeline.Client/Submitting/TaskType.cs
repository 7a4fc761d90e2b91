using System.Text.Json.Nodes;

namespace TaskPipeline.Client;

/// <summary>A task type of the server, or one command of such a type.</summary>
public sealed record TaskType
{
    /// <summary>Its name.</summary>
    public required string Type { get; init; }

    /// <summary>The command, if the type has commands.</summary>
    public string? Command { get; init; }

    /// <summary>One line about it.</summary>
    public string? Summary { get; init; }

    /// <summary>JSON Schema of its params.</summary>
    public required JsonObject Params { get; init; }

    /// <summary>Hash of the type's rules; it changes when they change.</summary>
    public required string Hash { get; init; }
}

internal sealed record TaskTypeList
{
    public required IReadOnlyList<TaskType> Types { get; init; }
}

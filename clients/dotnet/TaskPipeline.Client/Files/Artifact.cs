namespace TaskPipeline.Client;

/// <summary>A file that a task's agent has left.</summary>
public sealed record Artifact
{
    /// <summary>The attempt that left it.</summary>
    public required int Attempt { get; init; }

    /// <summary>Its path relative to the agent's folder for artifacts, with slashes.</summary>
    public required string Name { get; init; }

    /// <summary>Size in bytes.</summary>
    public required long Size { get; init; }

    /// <summary>Where to download it; null if the server does not have it, or no longer has it.</summary>
    public string? Url { get; init; }
}

internal sealed record ArtifactList
{
    public required IReadOnlyList<Artifact> Artifacts { get; init; }
}

namespace TaskPipeline.Client;

/// <summary>A file that a task's agent has left behind.</summary>
public sealed record Artifact
{
    /// <summary>The attempt whose agent it was.</summary>
    public required int Attempt { get; init; }

    /// <summary>Its path below the agent's folder for artifacts, with slashes.</summary>
    public required string Name { get; init; }

    /// <summary>In bytes.</summary>
    public required long Size { get; init; }

    /// <summary>Where it can be downloaded; null where the server does not have it, or no more.</summary>
    public string? Url { get; init; }
}

internal sealed record ArtifactList
{
    public required IReadOnlyList<Artifact> Artifacts { get; init; }
}

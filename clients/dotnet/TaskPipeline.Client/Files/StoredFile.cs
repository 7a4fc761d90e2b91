namespace TaskPipeline.Client;

/// <summary>A file that the server keeps for tasks.</summary>
public sealed record StoredFile
{
    /// <summary>Value for a param of type <c>file</c>.</summary>
    public required string File { get; init; }

    /// <summary>Its name in a task's workspace.</summary>
    public required string Name { get; init; }

    /// <summary>Size in bytes.</summary>
    public required long Size { get; init; }

    /// <summary>SHA-256 in lower-case hexadecimal digits.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Until when tasks can use it.</summary>
    public required DateTimeOffset KeptUntil { get; init; }
}

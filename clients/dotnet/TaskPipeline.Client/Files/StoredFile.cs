namespace TaskPipeline.Client;

/// <summary>A file that the server keeps for tasks.</summary>
public sealed record StoredFile
{
    /// <summary>For a param of type <c>file</c>.</summary>
    public required string File { get; init; }

    /// <summary>What it is called in a task's workspace.</summary>
    public required string Name { get; init; }

    /// <summary>In bytes.</summary>
    public required long Size { get; init; }

    /// <summary>In lower-case hexadecimal digits.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Until then a task can be given it.</summary>
    public required DateTimeOffset KeptUntil { get; init; }
}

namespace TaskPipeline.Client;

/// <summary>Which tasks to watch, and how long to bear a lost connection.</summary>
public sealed record ViewOptions
{
    /// <summary>Only its tasks; all where it is null.</summary>
    public string? Project { get; init; }

    /// <summary>The <see cref="WatchEvent.Place"/> of the last event that was seen, to go on behind it; else from now on.</summary>
    public string? From { get; init; }

    /// <inheritdoc cref="WatchOptions.MaxWait"/>
    public TimeSpan MaxWait { get; init; } = WatchOptions.UsualMaxWait;

    /// <inheritdoc cref="WatchOptions.OnConnectionLost"/>
    public Action<ConnectionLoss>? OnConnectionLost { get; init; }
}

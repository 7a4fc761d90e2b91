namespace TaskPipeline.Client;

/// <summary>Which tasks to watch, and how long to try to reconnect.</summary>
public sealed record ViewOptions
{
    /// <summary>Only tasks of this project; null: all tasks.</summary>
    public string? Project { get; init; }

    /// <summary>The <see cref="WatchEvent.Place"/> of the last event: continue after it. Null: begin now.</summary>
    public string? From { get; init; }

    /// <inheritdoc cref="WatchOptions.MaxWait"/>
    public TimeSpan MaxWait { get; init; } = WatchOptions.UsualMaxWait;

    /// <inheritdoc cref="WatchOptions.OnConnectionLost"/>
    public Action<ConnectionLoss>? OnConnectionLost { get; init; }
}

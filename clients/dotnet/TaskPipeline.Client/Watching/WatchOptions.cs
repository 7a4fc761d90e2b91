namespace TaskPipeline.Client;

/// <summary>Where a watch begins, which lines it returns, and how long it tries to reconnect.</summary>
public sealed record WatchOptions
{
    /// <summary>Value of <see cref="From"/>: skip everything that exists already.</summary>
    public const string Now = "now";

    internal static TimeSpan UsualMaxWait { get; } = TimeSpan.FromMinutes(2);

    /// <summary>The <see cref="WatchEvent.Cursor"/> of the last event, or <see cref="Now"/>; null: the first line.</summary>
    public string? From { get; init; }

    /// <summary>Begin with the first line since a time (RFC 3339), or within the last <c>10m</c>, <c>2h</c> …; ignored with <see cref="From"/>.</summary>
    public string? Since { get; init; }

    /// <summary>Begin with this number of last lines; ignored with <see cref="From"/>.</summary>
    public int? Tail { get; init; }

    /// <summary>Only lines of these streams; null or empty: all.</summary>
    public IReadOnlyCollection<OutputStream>? Streams { get; init; }

    /// <summary>How long to try to reconnect before the watch throws a <see cref="ServerUnreachableException"/>; 2 minutes by default.</summary>
    public TimeSpan MaxWait { get; init; } = UsualMaxWait;

    /// <summary>Called for each lost connection, before the next try.</summary>
    public Action<ConnectionLoss>? OnConnectionLost { get; init; }
}

/// <summary>A connection was lost, or could not be opened.</summary>
/// <param name="Reason">The reason, for people.</param>
/// <param name="NextTry">How long until the next try.</param>
public sealed record ConnectionLoss(string Reason, TimeSpan NextTry);

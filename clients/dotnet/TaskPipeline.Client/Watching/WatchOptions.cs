namespace TaskPipeline.Client;

/// <summary>Where a watch begins, what it tells, and how long it bears a lost connection.</summary>
public sealed record WatchOptions
{
    /// <summary><see cref="From"/>: what is there already is passed over.</summary>
    public const string Now = "now";

    internal static TimeSpan UsualMaxWait { get; } = TimeSpan.FromMinutes(2);

    /// <summary>The <see cref="WatchEvent.Cursor"/> of the last event that was seen, or <see cref="Now"/>; else the first line.</summary>
    public string? From { get; init; }

    /// <summary>Begin with the first line from a time on (RFC 3339), or of the last <c>10m</c>, <c>2h</c> …; where <see cref="From"/> is given it does not count.</summary>
    public string? Since { get; init; }

    /// <summary>Begin with the last so many lines; where <see cref="From"/> is given it does not count.</summary>
    public int? Tail { get; init; }

    /// <summary>Only lines of these streams; all where there is none.</summary>
    public IReadOnlyCollection<OutputStream>? Streams { get; init; }

    /// <summary>How long to try to come back after a loss of the connection, before the watch ends with <see cref="ServerUnreachableException"/>; 2 minutes.</summary>
    public TimeSpan MaxWait { get; init; } = UsualMaxWait;

    /// <summary>Called when the connection is lost and will be tried again, for those who want to tell a person.</summary>
    public Action<ConnectionLoss>? OnConnectionLost { get; init; }
}

/// <summary>A connection was lost, or could not be made.</summary>
/// <param name="Reason">For people.</param>
/// <param name="NextTry">How long until the next try.</param>
public sealed record ConnectionLoss(string Reason, TimeSpan NextTry);

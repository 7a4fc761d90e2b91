using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// The time by Kafka's clock, which all processes share: otherwise a process whose clock is an hour ahead would expire and fire tasks too early. It is
/// measured by acknowledgements: the broker's append time lies between sending the record and receiving its acknowledgement. Timers use the system's clock.
/// </summary>
public sealed partial class BrokerClock(KafkaCluster cluster, IOptions<KafkaOptions> options, ILogger<BrokerClock> logger) : TimeProvider
{
    private static readonly TimeSpan Agrees = TimeSpan.FromSeconds(1);       // more than synchronised clocks differ
    private static readonly TimeSpan WarnsFrom = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Drift = TimeSpan.FromMilliseconds(20);  // between the system's clock and its timer; more means that the clock was set

    private readonly TaskCompletionSource _measured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private volatile Anchor? _anchor;   // null: no acknowledgement so far
    private TimeSpan _offset;           // guarded by _gate: Kafka's time minus the system's
    private bool _isWarned;

    /// <summary>Completes with the first acknowledgement.</summary>
    public Task Measured => _measured.Task;

    /// <summary>Whether the time differs from the system's.</summary>
    public bool IsCorrected
    {
        get
        {
            lock (_gate)
                return _offset != TimeSpan.Zero;
        }
    }

    /// <summary>How far this machine's clock is ahead of Kafka's; null if it is too little to warn about.</summary>
    public TimeSpan? Ahead
    {
        get
        {
            lock (_gate)
                return _offset.Duration() >= WarnsFrom ? -_offset : null;
        }
    }

    /// <summary>The same as a sentence.</summary>
    public string? Warning =>
        Ahead is { } ahead ? $"the clock of {Environment.MachineName} is {Describe(ahead)} Kafka's, whose time is used: correct it" : null;

    public override DateTimeOffset GetUtcNow() => _anchor is { } anchor ? anchor.Time + GetElapsedTime(anchor.Timestamp) : SystemNow;

    /// <summary>A record was acknowledged.</summary>
    /// <param name="sent">This clock's timestamp when the record was given to the client.</param>
    /// <param name="appended">
    /// The timestamp in the acknowledgement. Writers' timestamps (CreateTime) are ignored, and so is the embedded broker, which always returns 1234 ms.
    /// </param>
    public void Observe(long sent, Timestamp appended)
    {
        if (appended.Type == TimestampType.LogAppendTime && !cluster.IsEmbedded)
            lock (_gate)
                Measure(sent, appended.UtcDateTime);
        _measured.TrySetResult();
    }

    public static string Describe(TimeSpan ahead) => $"{Math.Round(Math.Abs(ahead.TotalSeconds))} s {(ahead < TimeSpan.Zero ? "behind" : "ahead of")}";

    private DateTimeOffset SystemNow => base.GetUtcNow() + options.Value.ClockAhead;

    private void Measure(long sent, DateTimeOffset appended)
    {
        var heard = GetTimestamp();
        var system = SystemNow;
        var (least, most) = (appended - system, appended - (system - GetElapsedTime(sent, heard)));
        if (Fits(TimeSpan.Zero))
            _offset = TimeSpan.Zero;
        else if (!Fits(_offset))
            _offset = (least + most) / 2;
        // From here on the time follows the timer, because the system's clock can be set at any moment.
        if (_anchor is not { } anchor || (anchor.Time + GetElapsedTime(anchor.Timestamp, heard) - (system + _offset)).Duration() > Drift)
            _anchor = new Anchor(system + _offset, heard);
        var isOff = _offset.Duration() >= WarnsFrom;
        if (isOff && !_isWarned)
            LogOff(logger, Describe(-_offset));
        else if (!isOff && _isWarned)
            LogRight(logger);
        _isWarned = isOff;

        bool Fits(TimeSpan offset) => offset >= least - Agrees && offset <= most + Agrees;
    }

    private sealed record Anchor(DateTimeOffset Time, long Timestamp);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The clock of this machine is {Difference} Kafka's, whose time is used: correct it")]
    private static partial void LogOff(ILogger logger, string difference);

    [LoggerMessage(Level = LogLevel.Information, Message = "The clock of this machine agrees with Kafka's again")]
    private static partial void LogRight(ILogger logger);
}

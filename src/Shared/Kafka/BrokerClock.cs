using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// The time by Kafka's clock, which all processes share: one that is an hour ahead would else expire and fire what others let wait. It follows from
/// acknowledgements: the time at which the broker has appended a record lies between when that was sent and when it was heard of. Timers are the
/// system's.
/// </summary>
public sealed partial class BrokerClock(KafkaCluster cluster, IOptions<KafkaOptions> options, ILogger<BrokerClock> logger) : TimeProvider
{
    private static readonly TimeSpan Agrees = TimeSpan.FromSeconds(1);       // what clocks that are kept in step differ by, and more
    private static readonly TimeSpan WarnsFrom = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Drift = TimeSpan.FromMilliseconds(20);  // of the system's clock against its timer, by which it was set meanwhile

    private readonly TaskCompletionSource _measured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private volatile Anchor? _anchor;   // null: nothing was heard from Kafka
    private TimeSpan _offset;           // under the gate: Kafka's time less the system's
    private bool _isWarned;

    /// <summary>Completes with the first acknowledgement.</summary>
    public Task Measured => _measured.Task;

    /// <summary>Whether another time than the system's is told.</summary>
    public bool IsCorrected
    {
        get
        {
            lock (_gate)
                return _offset != TimeSpan.Zero;
        }
    }

    /// <summary>By how much the clock of this machine is ahead of Kafka's, where that is so much that a person should know.</summary>
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
        Ahead is { } ahead ? $"the clock of {Environment.MachineName} is {Describe(ahead)} Kafka's, whose time is taken: set it right" : null;

    public override DateTimeOffset GetUtcNow() => _anchor is { } anchor ? anchor.Time + GetElapsedTime(anchor.Timestamp) : SystemNow;

    /// <summary>A record was acknowledged.</summary>
    /// <param name="sent">The timestamp of this clock at which it was handed to the client.</param>
    /// <param name="appended">
    /// As the acknowledgement has it. Topics with the times of their writers tell nothing of a clock, and the embedded broker says 1234 ms each time.
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
        // From here on the time follows the timer, which nobody sets: the system's clock may be set at any moment.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The clock of this machine is {Difference} Kafka's, whose time is taken: set it right")]
    private static partial void LogOff(ILogger logger, string difference);

    [LoggerMessage(Level = LogLevel.Information, Message = "The clock of this machine agrees with Kafka's again")]
    private static partial void LogRight(ILogger logger);
}

using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.TaskApi.Kafka;

/// <summary>Counts and logs the records that the tails could not use.</summary>
internal sealed partial class SkippedRecords
{
    private readonly ILogger<SkippedRecords> _logger;
    private readonly Counter<long> _skipped;
    private long _total;

    public SkippedRecords(IMeterFactory meters, ILogger<SkippedRecords> logger)
    {
        _logger = logger;
        _skipped = meters.Create(new MeterOptions("TaskPipeline"))
            .CreateCounter<long>("taskpipeline_records_skipped", description: "Records that could not be used");
    }

    public long Total => Interlocked.Read(ref _total);

    public void Count(string topic, string reason)
    {
        Interlocked.Increment(ref _total);
        _skipped.Add(1, new KeyValuePair<string, object?>("topic", topic), new KeyValuePair<string, object?>("reason", reason));
    }

    public void Unreadable(string topic, int partition, long offset, string? error)
    {
        Count(topic, "unreadable");
        LogUnreadable(_logger, topic, partition, offset, error);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Record {Topic}[{Partition}]@{Offset} is skipped: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string topic, int partition, long offset, string? reason);
}

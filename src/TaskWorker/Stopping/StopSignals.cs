using System.Collections.Concurrent;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Reporting;

namespace TaskPipeline.TaskWorker.Stopping;

/// <summary>
/// Every STOP that is in force, read from <c>task-control</c> from its beginning before the first task is taken: a task that was stopped
/// while it waited never starts, whichever worker gets it.
/// </summary>
internal sealed partial class StopSignals
{
    private readonly ConcurrentDictionary<string, ControlRecord> _stops = new();
    private readonly Lock _gate = new();   // a listener that is added while its STOP arrives must not miss it
    private (string TaskId, Action<ControlRecord> Heard)? _listener;
    private readonly PlainProducer _producer;
    private readonly string _topic;
    private readonly ILogger _logger;

    public StopSignals(KafkaCluster cluster, PlainProducer producer, ILogger<StopSignals> logger)
    {
        _producer = producer;
        _topic = cluster.Topics.Control;
        _logger = logger;
        Tail = new TopicTail(cluster, IsolationLevel.ReadUncommitted, [cluster.Topics.Control], Take);
    }

    public TopicTail Tail { get; }

    public ControlRecord? Find(string taskId) => _stops.GetValueOrDefault(taskId);

    /// <summary>Calls <paramref name="heard"/> with each STOP for the task, at once with one that is there already. One task at a time is listened for.</summary>
    public void Listen(string taskId, Action<ControlRecord> heard)
    {
        lock (_gate)
        {
            _listener = (taskId, heard);
            if (_stops.TryGetValue(taskId, out var stop))
                heard(stop);
        }
    }

    public void StopListening()
    {
        lock (_gate)
            _listener = null;
    }

    /// <summary>The task has ended: its STOP, if there was one, is taken out of the topic.</summary>
    public void Forget(string taskId)
    {
        if (_stops.TryRemove(taskId, out _))
            _producer.Produce(_topic, 0, ControlRecord.StopKey(taskId), null, null);
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is null)
        {
            if (TaskIdOf(result.Message.Key) is { } ended)
                _stops.TryRemove(ended, out _);
            return;
        }
        if (!TaskJson.TryDecodeControl(result.Message.Value, out var record, out var error))
        {
            LogUnreadable(_logger, result.Offset.Value, error);
            return;
        }
        if (record!.Signal != ControlRecord.Stop)
            return;
        lock (_gate)
        {
            _stops[record.TaskId] = record;
            if (_listener is { } listener && listener.TaskId == record.TaskId)
                listener.Heard(record);
        }
    }

    private static string? TaskIdOf(byte[]? key)
    {
        var text = key is null ? "" : System.Text.Encoding.UTF8.GetString(key);
        return text.EndsWith("/" + ControlRecord.Stop, StringComparison.Ordinal) ? text[..^(ControlRecord.Stop.Length + 1)] : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The control record at offset {Offset} is skipped: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, long offset, string? reason);
}

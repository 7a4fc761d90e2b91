using System.Collections.Concurrent;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Reporting;

namespace TaskPipeline.TaskWorker.Stopping;

/// <summary>
/// Every STOP and every PAUSE that is in force, read from <c>task-control</c> from its beginning before the first task is taken: a task that was stopped
/// while it waited never starts, whichever worker gets it, and one whose worker died while it was paused waits until it is resumed.
/// </summary>
internal sealed partial class StopSignals
{
    private readonly ConcurrentDictionary<string, ControlRecord> _stops = new();
    private readonly ConcurrentDictionary<string, ControlRecord> _pauses = new();   // the latest PAUSE or RESUME of each task
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

    /// <summary>The tasks that have one.</summary>
    public IEnumerable<string> InForce => _stops.Keys.Union(_pauses.Keys);

    public bool IsPaused(string taskId) => _pauses.GetValueOrDefault(taskId) is { Signal: ControlRecord.Pause };

    public ControlRecord? Find(string taskId) => _stops.GetValueOrDefault(taskId);

    /// <summary>Called with each STOP, PAUSE and RESUME, on the tail's thread. Those that were there before are found by <see cref="Find"/> and <see cref="IsPaused"/>.</summary>
    public Action<ControlRecord>? Heard { get; set; }

    /// <summary>The task has ended: its STOP, if there was one, is taken out of the topic.</summary>
    public void ForgetStop(string taskId)
    {
        if (_stops.TryRemove(taskId, out _))
            _producer.Produce(_topic, 0, ControlRecord.StopKey(taskId), null, null);
    }

    /// <summary>The task has ended: the latest PAUSE or RESUME is taken out of the topic.</summary>
    public void ForgetPause(string taskId)
    {
        if (_pauses.TryRemove(taskId, out _))
            _producer.Produce(_topic, 0, ControlRecord.PauseKey(taskId), null, null);
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is null)
        {
            if (TaskIdOf(result.Message.Key, ControlRecord.Stop) is { } stopped)
                _stops.TryRemove(stopped, out _);
            if (TaskIdOf(result.Message.Key, ControlRecord.Pause) is { } paused)
                _pauses.TryRemove(paused, out _);
            return;
        }
        if (!TaskJson.TryDecodeControl(result.Message.Value, out var record, out var error))
        {
            LogUnreadable(_logger, result.Offset.Value, error);
            return;
        }
        if (record!.Signal is not (ControlRecord.Stop or ControlRecord.Pause or ControlRecord.Resume))
            return;
        (record.Signal == ControlRecord.Stop ? _stops : _pauses)[record.TaskId] = record;
        Heard?.Invoke(record);
    }

    private static string? TaskIdOf(byte[]? key, string kind)
    {
        var text = key is null ? "" : System.Text.Encoding.UTF8.GetString(key);
        return text.EndsWith("/" + kind, StringComparison.Ordinal) ? text[..^(kind.Length + 1)] : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The control record at offset {Offset} is skipped: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, long offset, string? reason);
}

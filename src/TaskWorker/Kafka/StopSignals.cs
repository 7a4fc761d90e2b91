using System.Collections.Concurrent;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Every STOP and PAUSE in force, read from the beginning of <c>task-control</c> before the first task is taken. So a task that was stopped while it
/// waited never starts, on any worker; and a task whose worker died while it was paused waits until it is resumed.
/// </summary>
internal sealed partial class StopSignals : IDisposable
{
    private static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentDictionary<string, ControlRecord> _stops = new();
    private readonly ConcurrentDictionary<string, ControlRecord> _pauses = new();   // the latest PAUSE or RESUME of each task
    private readonly TaskLanes _lanes = new();
    private readonly Lock _gate = new();
    private readonly List<(long Offset, TaskCompletionSource Read)> _waiting = [];   // guarded by _gate
    private readonly KafkaCluster _cluster;
    private readonly PlainProducer _producer;
    private readonly string _topic;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private IConsumer<byte[]?, byte[]?>? _asking;   // guarded by _gate; it fetches nothing, so a query does not wait for a fetch

    public StopSignals(KafkaCluster cluster, PlainProducer producer, TimeProvider clock, ILogger<StopSignals> logger)
    {
        _clock = clock;
        _cluster = cluster;
        _producer = producer;
        _topic = cluster.Topics.Control;
        _logger = logger;
        Tail = new TopicTail(cluster, IsolationLevel.ReadUncommitted, [cluster.Topics.Control], Take) { News = Release };
    }

    public TopicTail Tail { get; }

    /// <summary>The tasks that have a STOP or a PAUSE.</summary>
    public IEnumerable<string> InForce => _stops.Keys.Union(_pauses.Keys);

    public bool IsPaused(string taskId) => _pauses.GetValueOrDefault(taskId) is { Signal: ControlRecord.Pause };

    public ControlRecord? Find(string taskId) => _stops.GetValueOrDefault(taskId);

    /// <summary>The lane of a task whose records do not contain it, as first published; null: unknown.</summary>
    public int? LaneOf(string taskId) => _lanes.Find(taskId);

    /// <summary>Publishes the lane of a task; <see cref="Placed"/> is called when it has been read back.</summary>
    public void PublishLane(string taskId, int lane)
    {
        var placed = new ControlRecord { TaskId = taskId, Signal = ControlRecord.InLane, Lane = lane, At = _clock.GetUtcNow() };
        _producer.Produce(_topic, 0, ControlRecord.InLaneKey(taskId, lane), TaskJson.Encode(placed), null);
    }

    /// <summary>The task is not in that lane, or ended long ago.</summary>
    public void ForgetLane(string taskId, int lane) => _producer.Produce(_topic, 0, ControlRecord.InLaneKey(taskId, lane), null, null);

    /// <summary>Called with each task whose lane was published, on the tail's thread.</summary>
    public Action<string>? Placed { get; set; }

    /// <summary>
    /// Called with each STOP, PAUSE and RESUME, on the tail's thread. Earlier ones are found by <see cref="Find"/> and <see cref="IsPaused"/>.
    /// </summary>
    public Action<ControlRecord>? Received { get; set; }

    /// <summary>
    /// Completes once everything that Kafka had before this call has been read. Called after <c>starting</c> was acknowledged, it guarantees that
    /// each STOP acknowledged before that is known, however far behind the tail was.
    /// </summary>
    public async Task HaveReadAllAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                var end = await Task.Run(() => Asking().QueryWatermarkOffsets(new TopicPartition(_topic, 0), AskTimeout).High.Value, cancellationToken);
                await ReadUpTo(end).WaitAsync(cancellationToken);
                return;
            }
            catch (KafkaException)
            {
                await Task.Delay(AskAgain, cancellationToken);
            }
        }
    }

    public void Dispose() => _asking?.Dispose();

    /// <summary>The task has ended: removes its STOP from the topic, if there is one.</summary>
    public void ForgetStop(string taskId)
    {
        if (_stops.TryRemove(taskId, out _))
            _producer.Produce(_topic, 0, ControlRecord.StopKey(taskId), null, null);
    }

    /// <summary>The task has ended: removes its latest PAUSE or RESUME from the topic.</summary>
    public void ForgetPause(string taskId)
    {
        if (_pauses.TryRemove(taskId, out _))
            _producer.Produce(_topic, 0, ControlRecord.PauseKey(taskId), null, null);
    }

    private IConsumer<byte[]?, byte[]?> Asking()
    {
        lock (_gate)
            return _asking ??= _cluster.RangeConsumer();
    }

    private Task ReadUpTo(long offset)
    {
        lock (_gate)
        {
            if (Tail.PositionOf(_topic, 0) >= offset)
                return Task.CompletedTask;
            var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((offset, read));
            return read.Task;
        }
    }

    private void Release()
    {
        lock (_gate)
        {
            if (_waiting.Count == 0)
                return;
            var position = Tail.PositionOf(_topic, 0);
            foreach (var (_, read) in _waiting.FindAll(waiting => waiting.Offset <= position))
                read.SetResult();
            _waiting.RemoveAll(waiting => waiting.Offset <= position);
        }
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is null)
        {
            if (TaskIdOf(result.Message.Key, ControlRecord.Stop) is { } stopped)
                _stops.TryRemove(stopped, out _);
            if (TaskIdOf(result.Message.Key, ControlRecord.Pause) is { } paused)
                _pauses.TryRemove(paused, out _);
            _lanes.Forget(result.Message.Key);
            return;
        }
        if (!TaskJson.TryDecodeControl(result.Message.Value, out var record, out var error))
        {
            LogUnreadable(_logger, result.Offset.Value, error);
            return;
        }
        if (record is { Signal: ControlRecord.InLane, Lane: { } lane })
        {
            _lanes.Add(record.TaskId, lane);
            Placed?.Invoke(record.TaskId);
            return;
        }
        if (record!.Signal is not (ControlRecord.Stop or ControlRecord.Pause or ControlRecord.Resume))
            return;
        (record.Signal == ControlRecord.Stop ? _stops : _pauses)[record.TaskId] = record;
        Received?.Invoke(record);
    }

    private static string? TaskIdOf(byte[]? key, string kind)
    {
        var text = key is null ? "" : System.Text.Encoding.UTF8.GetString(key);
        return text.EndsWith("/" + kind, StringComparison.Ordinal) ? text[..^(kind.Length + 1)] : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The control record at offset {Offset} is skipped: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, long offset, string? reason);
}

using System.Collections.Concurrent;
using System.Reflection;
using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// The other workers, by their heartbeats in <c>task-workers</c>, and this worker's heartbeat. They are only hints: the group and the log decide who
/// owns what.
/// </summary>
internal sealed class WorkerPresence
{
    private static readonly TimeSpan BusyInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ChangeInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(12);     // after it a worker does not count as present
    private static readonly TimeSpan LongTask = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, (WorkerHeartbeat Beat, long HeardAt)> _others = new();
    private readonly PlainProducer _producer;
    private readonly string _topic;
    private readonly string _id;
    private readonly WorkerWarnings _warnings;
    private readonly BrokerClock _clock;
    private DateTimeOffset? _startedAt;
    private WorkerHeartbeat? _last;       // used only by the worker's loop, like the next
    private long _reportedAt;

    public WorkerPresence(KafkaCluster cluster, PlainProducer producer, WorkerWarnings warnings, IOptions<WorkerOptions> options, BrokerClock clock)
    {
        (_producer, _topic, _id, _warnings, _clock) = (producer, cluster.Topics.Workers, options.Value.Id, warnings, clock);
        Tail = new TopicTail(cluster, IsolationLevel.ReadUncommitted, [_topic], Take);
    }

    public TopicTail Tail { get; }

    /// <summary>Whether no other worker that takes tasks is present.</summary>
    public bool IsNobodyElseThere => !Present().Any();

    /// <summary>
    /// Whether this worker, which has a long task while tasks wait in its lanes, should leave the lanes to others: if another worker is free, and no
    /// other busy worker has more tasks waiting.
    /// </summary>
    public bool ShouldGiveWay(AttemptRun run)
    {
        if (run.Elapsed < LongTask || _last is not { Away: false, Waiting: > 0 } own)
            return false;
        var others = Present().ToList();
        return others.Exists(other => !IsBusyForLong(other)) && !others.Exists(other => IsBusyForLong(other) && IsBefore(other, own));
    }

    /// <summary>Call this often; it writes a heartbeat when one is due, or when something has changed.</summary>
    public void Report(AttemptRun? run, IReadOnlyCollection<OwnedLane> lanes, bool isAway)
    {
        var since = _clock.GetElapsedTime(_reportedAt);
        if (_last is not null && since < ChangeInterval)
            return;
        var waiting = lanes.Sum(lane => lane.Tasks.Count(task => !task.IsRunning)) - (run is { IsDetached: false } ? 1 : 0);
        var hasChanged = _last is null || _last.Away != isAway || _last.Lanes.Count != lanes.Count
            || (_last.Task is null) != (run is null) || (_last.Waiting > 0) != (waiting > 0);
        if (!hasChanged && since < (run is null ? IdleInterval : BusyInterval))
            return;
        _reportedAt = _clock.GetTimestamp();
        _last = new WorkerHeartbeat
        {
            Worker = _id,
            Host = Environment.MachineName,
            Pid = Environment.ProcessId,
            Version = Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "",
            StartedAt = _startedAt ??= _clock.GetUtcNow(),
            At = _clock.GetUtcNow(),
            ClockAhead = _clock.Ahead is { } ahead ? Math.Round(ahead.TotalSeconds) : null,
            Away = isAway,
            Lanes = [.. lanes.Select(lane => lane.Partition).Order()],
            Paused = [.. lanes.Where(lane => lane.IsPaused).Select(lane => lane.Partition).Order()],
            Waiting = waiting,
            Task = run is null ? null : new WorkerTask(run.Id.TaskId, run.Id.Attempt, run.StartedAt, run.Pid),
            Warnings = _warnings.All is { Count: > 0 } warnings ? warnings : null,
        };
        Write(TaskJson.Encode(_last));
    }

    /// <summary>Writes the tombstone of an earlier worker with this name. Its acknowledgement brings Kafka's time, which every decision needs.</summary>
    public async Task ArriveAsync(CancellationToken cancellationToken)
    {
        Write(null);
        while (await Task.WhenAny(_clock.Measured, Task.Delay(BusyInterval, cancellationToken)) != _clock.Measured)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _producer.RenewIfStuck();
        }
    }

    public void SayGoodbye() => Write(null);

    private void Write(byte[]? heartbeat)
    {
        var sent = _clock.GetTimestamp();
        _producer.Produce(_topic, 0, _id, heartbeat, report =>
        {
            if (!report.Error.IsError)
                _clock.Observe(sent, report.Timestamp);
        });
    }

    private IEnumerable<WorkerHeartbeat> Present() =>
        _others.Values.Where(other => !other.Beat.Away && _clock.GetElapsedTime(other.HeardAt) < Silence).Select(other => other.Beat);

    private bool IsBusyForLong(WorkerHeartbeat other) => other.Task is { } task && _clock.GetUtcNow() - task.StartedAt > LongTask;

    private static bool IsBefore(WorkerHeartbeat left, WorkerHeartbeat right) =>
        left.Waiting > right.Waiting || (left.Waiting == right.Waiting && left.Waiting > 0 && string.CompareOrdinal(left.Worker, right.Worker) < 0);

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        var worker = result.Message.Key is { } key ? Encoding.UTF8.GetString(key) : "";
        if (worker == _id)
            return;
        if (result.Message.Value is null)
            _others.TryRemove(worker, out _);
        else if (TaskJson.TryDecodeHeartbeat(result.Message.Value, out var beat, out _) && _clock.GetUtcNow() - beat!.At < Silence)
            _others[worker] = (beat, _clock.GetTimestamp());
    }
}

using System.Diagnostics;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Reporting;
using TaskPipeline.TaskWorker.Running;
using TaskPipeline.TaskWorker.Stopping;

namespace TaskPipeline.TaskWorker.Consuming;

/// <summary>
/// The worker's membership in its group, on a thread of its own that owns the consumer, the lanes and the offsets. It takes one task, polls
/// on while that runs, commits its end together with its offset, and only then takes the next.
/// </summary>
internal sealed partial class ConsumeLoop : IDisposable
{
    private static readonly TimeSpan IdlePoll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BusyPoll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan PauseAfter = TimeSpan.FromMilliseconds(100);   // a task that ends sooner is not worth throwing the prefetched records away
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly KafkaCluster _cluster;
    private readonly StopSignals _stops;
    private readonly TaskRunner _runner;
    private readonly ProgressLog _log;
    private readonly WorkerOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    // All of these belong to the loop's thread; the group's handlers run on it too.
    private readonly IConsumer<byte[]?, byte[]?> _consumer;
    private readonly ILaneCommit _commit;
    private readonly LaneClaims _claims;
    private readonly Dictionary<int, OwnedLane> _lanes = [];
    private readonly HashSet<int> _unclaimed = [];
    private readonly HashSet<int> _rewound = [];   // lanes whose records went by while they could not be claimed
    private readonly HashSet<TopicPartition> _paused = [];   // a lane that goes and comes back is still paused
    private readonly Queue<(OwnedLane Lane, ConsumeResult<byte[]?, byte[]?> Record)> _held = [];
    private TaskRun? _run;
    private long _runningSince;

    public ConsumeLoop(
        KafkaCluster cluster, StopSignals stops, TaskRunner runner, ProgressLog log, IOptions<WorkerOptions> options, TimeProvider clock, ILoggerFactory loggers)
    {
        _cluster = cluster;
        _stops = stops;
        _runner = runner;
        _log = log;
        _options = options.Value;
        _clock = clock;
        _logger = loggers.CreateLogger<ConsumeLoop>();
        _consumer = cluster.WorkerConsumer()
            .SetPartitionsAssignedHandler((_, partitions) => Assigned(partitions))
            .SetPartitionsRevokedHandler((_, partitions) => Revoked(partitions))
            .SetPartitionsLostHandler((_, partitions) => Lost(partitions))
            .Build();
        _commit = cluster.IsEmbedded ? new PlainCommit(cluster) : new TransactionalCommit(cluster, _options.Id);
        _claims = new LaneClaims(cluster, log, _options.Id, clock, loggers.CreateLogger<LaneClaims>());
    }

    /// <summary>Runs until cancelled; the running task is then waited for or given back. Any other end is an exception, and the process must not outlive it.</summary>
    /// <param name="control">The tail of <c>task-control</c>: without it nobody could be stopped.</param>
    public void Run(Task control, CancellationToken stoppingToken)
    {
        _commit.Open(stoppingToken);
        _consumer.Subscribe(_cluster.Topics.Tasks);
        LogReady(_logger, _options.Id);
        while (!stoppingToken.IsCancellationRequested)
        {
            ThrowIfBroken(control);
            Turn();
        }
        HandBack(_options.DrainTimeout);
        // Leaving tells the group at once. It can hang when the coordinator is away; then the session's end tells it.
        if (!Task.Run(_consumer.Close, CancellationToken.None).Wait(CloseTimeout, CancellationToken.None))
            LogNotLeft(_logger);
    }

    public void Dispose()
    {
        _run?.Leave(EndReason.WorkerLost);
        _run?.Dispose();
        _claims.Dispose();
        _commit.Dispose();
        _consumer.Dispose();
    }

    /// <summary>One round: hear the group, take what comes, start or end a task.</summary>
    private void Turn()
    {
        if (_run is { } run)
            IsDoneIn(run, BusyPoll);   // wakes at once when the task is done
        Take(Poll(_run is null && _held.Count == 0 ? IdlePoll : TimeSpan.Zero));
        ClaimLanes();
        EndRun();
        StartNext();
        PauseOrResume();
    }

    private ConsumeResult<byte[]?, byte[]?>? Poll(TimeSpan timeout)
    {
        try
        {
            return _consumer.Consume(timeout);
        }
        catch (ConsumeException exception) when (!exception.Error.IsFatal)
        {
            LogPoll(_logger, exception.Error.Code, exception.Error.Reason);
            return null;
        }
    }

    private void Take(ConsumeResult<byte[]?, byte[]?>? record)
    {
        if (record is null)
            return;
        if (_lanes.TryGetValue(record.Partition.Value, out var lane))
            _held.Enqueue((lane, record));
        else
            _rewound.Add(record.Partition.Value);   // not claimed yet: once it is, it is read from its first unended task
    }

    private void ClaimLanes()
    {
        if (_unclaimed.Count == 0)
            return;
        try
        {
            foreach (var lane in _claims.Claim(_consumer, _commit, _unclaimed))
            {
                _lanes[lane.Partition] = lane;
                if (_rewound.Remove(lane.Partition))
                    _consumer.Seek(new TopicPartitionOffset(_cluster.Topics.Tasks, lane.Partition, lane.Next));
            }
            LogClaimed(_logger, _unclaimed.Count, _lanes.Count);
            _unclaimed.Clear();
        }
        catch (FencedException exception)
        {
            LogNotClaimed(_logger, _unclaimed.Count, exception.Message);   // the group says more in the next poll
        }
        catch (Exception exception) when (exception is TimeoutException || (exception is KafkaException kafka && !kafka.Error.IsFatal))
        {
            LogNotClaimed(_logger, _unclaimed.Count, exception.Message);
        }
    }

    private void StartNext()
    {
        while (_run is null && _held.TryDequeue(out var next))
        {
            var (lane, record) = next;
            if (!lane.IsOwned || record.Offset.Value < lane.Next)
                continue;
            if (!TaskJson.TryDecodeSubmission(record.Message.Value, out var submission, out var error))
                PutAside(lane, record, error!);
            else if (lane.Ended.Contains(submission!.TaskId))
                Commit(lane, record.Offset.Value, []);
            else
            {
                _run = _runner.Start(lane, submission, record.Offset.Value);
                _runningSince = Stopwatch.GetTimestamp();
            }
        }
    }

    private void EndRun()
    {
        if (_run is not { Result.IsCompleted: true } run)
            return;
        _run = null;
        run.Dispose();
        var end = run.Result.GetAwaiter().GetResult();
        if (end is null || !run.Lane.IsOwned)
            return;
        var story = run.Lane.Log.Stories.GetValueOrDefault(run.Submission.TaskId);
        var now = _clock.GetUtcNow();
        var taskId = run.Submission.TaskId;
        var attempt = story?.Attempts[^1].Attempt ?? 0;
        var state = new TaskState
        {
            TaskId = taskId,
            Status = end.Status,
            Reason = end.Reason,
            ExitCode = end.ExitCode,
            Signal = end.Signal,
            Error = end.Error,
            DeadLettered = end.IsDeadLettered,
            Attempt = attempt,
            Attempts = story?.Attempts ?? [],
            Task = run.Submission,
            Lane = run.Lane.Partition,
            Offset = run.Offset,
            LogEnd = story?.LogEnd ?? -1,
            At = now,
        };
        var ended = new TaskEnded
        {
            Epoch = run.Lane.Claim.Epoch,
            Owner = run.Lane.Claim.Owner,
            TaskId = taskId,
            Attempt = attempt,
            Status = end.Status,
            Reason = end.Reason,
            ExitCode = end.ExitCode,
            At = now,
            Update = end.Status.EndText(),
        };
        var records = new List<CommitRecord>
        {
            new(_cluster.Topics.Progress, run.Lane.Partition, taskId, TaskJson.Encode(ended)),
            new(_cluster.Topics.State, run.Lane.Partition, taskId, TaskJson.Encode(state)),
        };
        if (end.IsDeadLettered)
            records.Add(new(_cluster.Topics.DeadLetters, 0, taskId, TaskJson.Encode(new DeadLetter
            {
                TaskId = taskId,
                Error = end.Error ?? "",
                Task = run.Submission,
                Lane = run.Lane.Partition,
                Offset = run.Offset,
                Attempts = state.Attempts,
                At = now,
            })));
        run.Lane.Log.Forget(taskId);
        if (!Commit(run.Lane, run.Offset, records))
            return;
        run.Lane.Ended.Add(taskId);
        _stops.Forget(taskId);
        LogEnded(_logger, taskId, end.Status, end.Reason, end.ExitCode, end.Error ?? "");
    }

    /// <summary>A record that nobody can read must not hold up its lane.</summary>
    private void PutAside(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record, string error)
    {
        LogUnreadable(_logger, lane.Partition, record.Offset.Value, error);
        Commit(lane, record.Offset.Value, [new(_cluster.Topics.DeadLetters, 0, null, TaskJson.Encode(new DeadLetter
        {
            Error = error,
            Raw = Convert.ToBase64String(record.Message.Value ?? []),
            Lane = lane.Partition,
            Offset = record.Offset.Value,
            At = _clock.GetUtcNow(),
        }))]);
    }

    /// <summary>Writes records together with the offset behind <paramref name="offset"/> and the lane's state; false: the lane is not ours any more.</summary>
    private bool Commit(OwnedLane lane, long offset, IReadOnlyList<CommitRecord> records)
    {
        lane.Next = offset + 1;
        var state = lane.State(_options.Id);
        try
        {
            _commit.Commit(_consumer,
                [.. records, new(_cluster.Topics.State, lane.Partition, LaneState.Key(lane.Partition), TaskJson.Encode(state))],
                [new TopicPartitionOffset(_cluster.Topics.Tasks, lane.Partition, lane.Next)]);
            return true;
        }
        catch (FencedException exception)
        {
            LogFenced(_logger, lane.Partition, exception.Message);
            Drop(lane.Partition);
            // A rebalance fences too, and may leave the lane here: then it is claimed anew, and its log tells what has an outcome already.
            if (_consumer.Assignment.Any(partition => partition.Partition.Value == lane.Partition))
            {
                _unclaimed.Add(lane.Partition);
                _rewound.Add(lane.Partition);
            }
            return false;
        }
    }

    /// <summary>
    /// A long task pauses every lane, so that polling fetches nothing that would have to wait here. What is paused is reconciled in each round,
    /// because lanes that arrive while a task runs arrive unpaused.
    /// </summary>
    private void PauseOrResume()
    {
        if (_run is not null)
        {
            if (Stopwatch.GetElapsedTime(_runningSince) < PauseAfter)
                return;
            var open = _consumer.Assignment.Where(partition => !_paused.Contains(partition)).ToList();
            if (open.Count == 0)
                return;
            _consumer.Pause(open);
            _paused.UnionWith(open);
        }
        else if (_paused.Count > 0)
        {
            var resumed = _consumer.Assignment.Where(_paused.Contains).ToList();
            if (resumed.Count == 0)
                return;
            _paused.ExceptWith(resumed);
            _consumer.Resume(resumed);
            // A fetcher whose every partition was paused sleeps up to a second and does not hear the resume; a request to its broker wakes it.
            foreach (var partition in resumed)
                Wake(partition);
        }
    }

    private void Wake(TopicPartition partition)
    {
        try
        {
            _consumer.QueryWatermarkOffsets(partition, TimeSpan.FromSeconds(1));
        }
        catch (KafkaException)
        {
            // Then it sleeps on and comes a little later.
        }
    }

    private void Assigned(List<TopicPartition> partitions) => _unclaimed.UnionWith(partitions.Select(partition => partition.Partition.Value));

    /// <summary>The group moves lanes to others and waits for this handler. The running task may use that time to end; after it, it is given back.</summary>
    private void Revoked(List<TopicPartitionOffset> partitions)
    {
        if (_run is { } run && partitions.Any(partition => partition.Partition.Value == run.Lane.Partition))
            HandBack(_options.RevokeTimeout);
        foreach (var partition in partitions)
            Drop(partition.Partition.Value);
    }

    /// <summary>The group has counted this worker out; others may own the lanes by now.</summary>
    private void Lost(List<TopicPartitionOffset> partitions)
    {
        LogLost(_logger, partitions.Count);
        foreach (var partition in partitions)
            Drop(partition.Partition.Value);
    }

    /// <summary>Waits for the running task, then gives it back. Its end, where it has one in time, is committed.</summary>
    private void HandBack(TimeSpan wait)
    {
        if (_run is not { } run)
            return;
        if (!IsDoneIn(run, wait))
        {
            run.Leave(EndReason.WorkerShutdown);
            IsDoneIn(run, Timeout.InfiniteTimeSpan);
        }
        EndRun();
    }

    /// <summary>However it ends: what became of it is for <see cref="EndRun"/> to look at.</summary>
    private static bool IsDoneIn(TaskRun run, TimeSpan wait) => Task.WaitAny([run.Result], wait) == 0;

    private void Drop(int partition)
    {
        _unclaimed.Remove(partition);
        _rewound.Remove(partition);
        if (!_lanes.Remove(partition, out var lane))
            return;
        lane.Release();
        if (_run?.Lane == lane)
            _run.Leave(EndReason.WorkerLost);
    }

    private void ThrowIfBroken(Task control)
    {
        if (_log.Broken.IsFaulted)
            _log.Broken.GetAwaiter().GetResult();
        if (control.IsCompleted)
            control.GetAwaiter().GetResult();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} waits for tasks")]
    private static partial void LogReady(ILogger logger, string worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Took {Count} lanes, {Total} in all")]
    private static partial void LogClaimed(ILogger logger, int count, int total);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} lanes could not be claimed yet: {Reason}")]
    private static partial void LogNotClaimed(ILogger logger, int count, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} has ended: {Status}, {Reason}, exit code {ExitCode} {Error}")]
    private static partial void LogEnded(ILogger logger, string taskId, Status status, EndReason reason, int? exitCode, string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The record at {Partition}/{Offset} is no task and goes to the dead letters: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, int partition, long offset, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The group has refused a commit of lane {Partition}: {Reason}")]
    private static partial void LogFenced(ILogger logger, int partition, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The group has counted this worker out; {Count} lanes are lost")]
    private static partial void LogLost(ILogger logger, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Polling: {Code}, {Reason}")]
    private static partial void LogPoll(ILogger logger, ErrorCode code, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka did not take the good-bye; the lanes move when the session ends")]
    private static partial void LogNotLeft(ILogger logger);
}

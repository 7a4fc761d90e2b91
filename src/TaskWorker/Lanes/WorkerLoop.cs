using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// The worker's loop, on its own thread: it polls the group, knows the tasks of its lanes, decides about each, runs one at a time, and commits the
/// decisions. It waits for Kafka only when it hands over a lane.
/// </summary>
internal sealed partial class WorkerLoop : IDisposable
{
    private const int TasksPerLane = 200;     // read ahead; a lane with more is paused
    private const int MostUncommitted = 64;   // no task starts while so many decisions wait for their transaction
    private static readonly TimeSpan TurnTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan HandOverTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastCommitTimeout = TimeSpan.FromSeconds(10);

    private readonly KafkaCluster _cluster;
    private readonly Topics _topics;
    private readonly StopSignals _stops;
    private readonly AttemptRunner _runner;
    private readonly CatalogueFile _catalogue;
    private readonly WorkerWarnings _warnings;
    private readonly TopicWatch _watch;
    private readonly PlainProducer _producer;
    private readonly ProgressLog _log;
    private readonly WorkerOptions _options;
    private readonly TimeSpan _session;
    private readonly TimeSpan _barrierInterval;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly RecordHandling _handling;
    private readonly Inbox _inbox = new();
    private readonly GroupMember _member;
    private readonly Committer _committer;
    private readonly LaneClaims _claims;
    private readonly LaneReader _reader;
    private readonly LaneWrites _writes;
    private readonly WorkerPresence _presence;
    private readonly TaskChoice _choice;
    private readonly PendingCommits _commits;

    private readonly Dictionary<int, object> _assigned = [];   // partition → identity of its current assignment
    private readonly Dictionary<int, OwnedLane> _lanes = [];
    private readonly PriorityQueue<QueuedTask, DateTimeOffset> _deadlines = new();
    private IReadOnlyList<Task> _parts = [];
    private Task? _claiming;
    private AttemptRun? _run;
    private QueuedTask? _running;          // the task of that attempt
    private DateTimeOffset _nextSweep;

    public WorkerLoop(
        KafkaCluster cluster,
        TopicWatch watch,
        StopSignals stops,
        AttemptRunner runner,
        CatalogueFile catalogue,
        LaneReader reader,
        PlainProducer producer,
        ProgressLog log,
        WorkerPresence fleet,
        WorkerWarnings warnings,
        IOptions<WorkerOptions> options,
        IOptions<KafkaOptions> kafka,
        TimeProvider clock,
        ILoggerFactory loggers)
    {
        (_cluster, _topics, _handling) = (cluster, cluster.Topics, cluster.NewHandling());
        _stops = stops;
        _watch = watch;
        _runner = runner;
        _catalogue = catalogue;
        _warnings = warnings;
        _producer = producer;
        _log = log;
        _presence = fleet;
        _options = options.Value;
        _session = kafka.Value.SessionTimeout;
        _barrierInterval = kafka.Value.ProgressRetention / 4;
        _clock = clock;
        _logger = loggers.CreateLogger<WorkerLoop>();
        _member = new GroupMember(cluster, Assigned, Revoked, Lost, loggers.CreateLogger<GroupMember>());
        _committer = new Committer(
            cluster.IsEmbedded ? new PlainCommit(cluster, _member.CommitOffsets, clock) : new TransactionalCommit(cluster, _options.Id, clock), clock);
        _claims = new LaneClaims(cluster, _member, _committer, log, stops, _options.Id, clock, loggers.CreateLogger<LaneClaims>());
        _reader = reader;
        _writes = new LaneWrites(_topics);
        _choice = new TaskChoice(_session);
        _commits = new PendingCommits(
            _topics, _member, _committer, _inbox, warnings, ForgetSignals, _options.Id, clock, loggers.CreateLogger<PendingCommits>());
    }

    /// <summary>
    /// Runs until cancelled; then it waits for the running task or gives it back. Any other end is an exception, after which the process must end.
    /// </summary>
    /// <param name="parts">Other parts of the process; if one fails, the loop fails.</param>
    public void Run(IReadOnlyList<Task> parts, CancellationToken stoppingToken)
    {
        _parts = [.. parts, _log.Broken, _reader.Reading];
        _committer.Open(stoppingToken);
        foreach (var warning in _cluster.Guard?.Warnings ?? [])
            _warnings.Add(warning);
        _stops.Received = control => _inbox.Post(() => Apply(control));
        _stops.Placed = taskId => _inbox.Post(() => Place(taskId));
        _member.Join();
        _runner.Prepare();
        LogReady(_logger, _options.Id);
        while (!stoppingToken.IsCancellationRequested)
        {
            Turn(StartNext);
            LeaveOrRejoin();
        }
        Drain();
        _member.Close();
        _presence.SayGoodbye();
    }

    public void Dispose()
    {
        (_stops.Received, _stops.Placed) = (null, null);
        _run?.Leave(EndReason.WorkerLost);
        _run?.Dispose();
        _committer.Dispose();
        _claims.Dispose();
        _member.Dispose();
        _inbox.Dispose();
    }

    /// <summary>One round: actions of other threads, group events, and what follows from both.</summary>
    private void Turn(Action? startNext = null)
    {
        _inbox.Work(TurnTime);
        startNext?.Invoke();   // first, because a task waits for it
        _member.Poll();
        RepairOrThrow();
        ClaimLanes();
        DecideOverdue();
        WatchKept();
        ForgetOld();
        _commits.Commit();
        _run?.SendHeartbeat();
        _presence.Report(_run, _lanes.Values, isAway: !_member.IsJoined);
    }

    // ---- Lanes: who owns them ----

    private void Assigned(IReadOnlyList<int> partitions)
    {
        foreach (var partition in partitions)
            _assigned[partition] = new object();
    }

    /// <summary>
    /// The group moves lanes to other workers and waits for this handler: it commits the decisions and hands a running attempt over. The attempt
    /// continues here, and the next owner writes its end.
    /// </summary>
    private void Revoked(IReadOnlyList<int> partitions)
    {
        if (partitions.Count == 0)
            return;
        _commits.CommitRest(HandOverTimeout);
        if (_run is { IsDetached: false } run && partitions.Contains(run.Id.Lane) && Detach(run, run.LastOffset))
        {
            if (run.HandOver(HandOverTimeout))
            {
                using var scope = run.BeginScope(_logger);
                LogHandedOver(_logger, run.Id.TaskId, run.Id.Lane);
            }
            CrashPoint.Reach(CrashPoint.HandedOver);
        }
        foreach (var partition in partitions)
            Drop(partition);
        LogRevoked(_logger, partitions.Count, _lanes.Count);
    }

    /// <summary>
    /// The group has removed this worker, or was unreachable for a session. Other workers may own the lanes now, and the log shows it: an attempt
    /// continues only until a barrier is read that does not keep it; an attempt that must not overlap ends at once.
    /// </summary>
    private void Lost(IReadOnlyList<int> partitions)
    {
        LogLost(_logger, partitions.Count);
        // The barrier may be anywhere after the attempt's first record: what this process wrote after it was removed was acknowledged too.
        if (_run is { IsDetached: false } run && partitions.Contains(run.Id.Lane) && Detach(run, run.FirstOffset) && run.MustNotOverlap)
            run.Leave(EndReason.WorkerLost);
        foreach (var partition in partitions)
            Drop(partition);
    }

    private void Drop(int partition)
    {
        _assigned.Remove(partition);
        if (!_lanes.Remove(partition, out var lane))
            return;
        lane.Release();
        _reader.End(new TopicPartition(_topics.Tasks, partition));
        lane.Kept.Clear();
        StopFollowing(partition);
    }

    /// <summary>False: no attempt has begun, and none will begin here.</summary>
    /// <param name="from">Offset in the lane's log before which no barrier can be that does not keep the attempt.</param>
    private bool Detach(AttemptRun run, long from)
    {
        if (run.LeaveUnbegun())
            return false;
        run.Detach();
        FollowLog(run.Id.Lane, from);
        return true;
    }

    private void ClaimLanes()
    {
        if (_claiming is not null || _commits.IsPaused)
            return;
        var wanted = _assigned.Where(assignment => !_lanes.ContainsKey(assignment.Key)).ToDictionary();
        if (wanted.Count == 0)
            return;
        var running = _run is { HasBegun: true } run ? new KeptAttempt(run.Id.TaskId, run.Id.Attempt) : null;
        var claiming = _claims.ClaimAsync([.. wanted.Keys], _member.Metadata, running);
        _claiming = claiming;
        claiming.ContinueWith(_ => _inbox.Post(() => Claimed(wanted, claiming)), TaskScheduler.Default);
    }

    private void Claimed(Dictionary<int, object> wanted, Task<IReadOnlyList<OwnedLane>> claiming)
    {
        _claiming = null;
        if (claiming.Exception?.InnerException is { } exception)
        {
            if (exception is not (FencedException or TimeoutException) && exception is not KafkaException { Error.IsFatal: false })
                claiming.GetAwaiter().GetResult();
            LogNotClaimed(_logger, wanted.Count, exception.Message);   // the next poll brings the group's reason
            _commits.Pause();
            return;
        }
        var owned = claiming.Result.Where(lane => _assigned.GetValueOrDefault(lane.Partition) == wanted[lane.Partition]).ToList();
        foreach (var lane in owned)
        {
            _lanes[lane.Partition] = lane;
            _reader.Read(new TopicPartition(_topics.Tasks, lane.Partition), lane.Next, record => _inbox.Post(() => Take(lane, record)));
            if (lane.Kept.Count > 0)
                FollowLog(lane.Partition, lane.Log.EndOfLog);
        }
        if (_run is { IsDetached: true } run && owned.Find(lane => lane.Partition == run.Id.Lane) is { } back && !run.GoesOnIn(back.Log))
        {
            // Another worker had the lane in between and counted the attempt as lost: its barrier is before the offset from which the log is
            // followed.
            LeaveTo(back.Log.Owner ?? "", run);
        }
        foreach (var taskId in _stops.InForce)
            if (owned.Find(lane => lane.HasEnded(taskId)) is { } lane)
                ForgetSignals(lane, taskId);
        LogClaimed(_logger, owned.Count, _lanes.Count);
    }

    // ---- Attempts that continue under an earlier claim ----

    private void FollowLog(int partition, long from) =>
        _reader.Read(new TopicPartition(_topics.Progress, partition), from, record => _inbox.Post(() => _handling.Handle(record, Follow)));

    /// <summary>Stops reading a lane's log if no attempt continues there under an earlier claim.</summary>
    private void StopFollowing(int partition)
    {
        var isNeeded = _lanes.GetValueOrDefault(partition) is { Kept.Count: > 0 } || (_run is { IsDetached: true } run && run.Id.Lane == partition);
        if (!isNeeded)
            _reader.End(new TopicPartition(_topics.Progress, partition));
    }

    /// <summary>Another worker has the attempt's lane, and runs its task again.</summary>
    private void LeaveTo(string owner, AttemptRun run)
    {
        using var scope = run.BeginScope(_logger);
        LogNotKept(_logger, run.Id.TaskId, owner);
        run.Leave(EndReason.WorkerLost);
    }

    private void Follow(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is null || !TaskJson.TryDecodeProgress(result.Message.Value, out var record, out _))
            return;
        var partition = result.Partition.Value;
        if (record is LaneBarrier barrier && _run is { IsDetached: true } run && run.Id.Lane == partition && !run.IsKeptBy(barrier))
            LeaveTo(barrier.Worker, run);
        if (!_lanes.TryGetValue(partition, out var lane))
            return;
        if (record is LaneBarrier own && own.Owner == lane.Claim.Owner)
        {
            lane.Log.Apply(own, result.Offset.Value);
            foreach (var dropped in lane.Kept.Keys.Except(own.Keeps).ToList())
            {
                lane.Kept.Remove(dropped);
                StopFollowing(partition);
                Reconsider(lane, dropped.TaskId);
            }
        }
        else if (record is AttemptRecord attempt && new KeptAttempt(attempt.TaskId, attempt.Attempt) is var kept && lane.Kept.ContainsKey(kept))
        {
            lane.Kept[kept] = _clock.GetTimestamp();
            lane.Log.Apply(record, result.Offset.Value);
            if (lane.Log.Stories[attempt.TaskId].IsOpen)
                return;
            lane.Kept.Remove(kept);
            StopFollowing(partition);
            Reconsider(lane, attempt.TaskId);
        }
    }

    /// <summary>
    /// A kept attempt without a record for a session is lost: another barrier declares it, and what it wrote before that still counts. The barrier
    /// that keeps a very long attempt is repeated before retention removes it.
    /// </summary>
    private void WatchKept()
    {
        foreach (var lane in _lanes.Values.Where(lane => lane.Kept.Count > 0))
        {
            var silent = lane.Kept.Where(kept => _clock.GetElapsedTime(kept.Value) > _session).Select(kept => kept.Key).ToList();
            if (silent.Count == 0 && _clock.GetUtcNow() - lane.BarrierAt < _barrierInterval)
                continue;
            lane.BarrierAt = _clock.GetUtcNow();
            foreach (var kept in silent)
            {
                LogSilent(_logger, kept.TaskId, kept.Attempt);
                lane.Kept[kept] = _clock.GetTimestamp();   // declared lost; do not repeat this at once
            }
            _ = _log.AppendAsync(lane.Partition, new LaneBarrier
            {
                Lane = lane.Partition,
                Epoch = lane.Claim.Epoch,
                Owner = lane.Claim.Owner,
                Worker = _options.Id,
                At = _clock.GetUtcNow(),
                Keeps = [.. lane.Kept.Keys.Except(silent)],
            });
        }
    }

    // ---- Tasks: decisions ----

    private void Take(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record)
    {
        if (!lane.IsOwned || !lane.TryRead(record.Offset.Value))
            return;
        if (_handling.Handle(record, read => TakeTask(lane, read)) is { } passedOver)
        {
            lane.Abandon(record.Offset.Value);
            PutAside(lane, record, passedOver);
        }
        if (!lane.IsPaused && lane.Tasks.Count >= TasksPerLane)
        {
            lane.IsPaused = true;
            _reader.Pause(new TopicPartition(_topics.Tasks, lane.Partition));
        }
    }

    private void TakeTask(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record)
    {
        var offset = record.Offset.Value;
        if (!TaskJson.TryDecodeSubmission(record.Message.Value, out var submission, out var error))
            PutAside(lane, record, error!);
        else if ((submission!.Lane ?? _stops.LaneOf(submission.TaskId) ?? lane.Partition) is var meant && meant != lane.Partition)
            PutAside(lane, record, Elsewhere(submission.TaskId, meant, lane));
        else if (record.Message.Value!.Length > TaskJson.MostSubmissionBytes / 3
            && TaskJson.Encode(submission) is { Length: > TaskJson.MostSubmissionBytes } encoded)
            PutAside(
                lane,
                record,
                $"it has {encoded.Length} bytes, and a task can have {TaskJson.MostSubmissionBytes}: pass large data as a file, or by a path");
        else if (lane.IsDouble(submission))
            lane.Done(offset);
        else if (submission.Attempt > lane.FirstOf(submission.TaskId))
            PutAside(lane, record, $"it requests attempt {submission.Attempt}, but the next one is {lane.FirstOf(submission.TaskId)}");
        else
            Add(lane, record, submission);
    }

    private static string Elsewhere(string taskId, int meant, OwnedLane lane) =>
        $"task {taskId} is in lane {meant}, and this is a copy of its record in lane {lane.Partition}: an id is one task over all lanes";

    private void Add(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record, TaskSubmission submission)
    {
        var type = _catalogue.Current.Find(submission.Type, submission.Command);
        var task = new QueuedTask(lane, record.Offset.Value, type?.Complete(submission, record.Message.Timestamp.UtcDateTime) ?? submission, type);
        var lost = lane.Log.Stories.GetValueOrDefault(task.TaskId)?.Attempts.LastOrDefault(attempt => attempt.Reason == EndReason.WorkerLost);
        if (lost?.EndedAt is { } lostAt && task.MustNotOverlap)
            task.NotBefore = lostAt + _session;
        lane.Add(task);
        if (_stops.LaneOf(task.TaskId) is null && !(submission.Lane == lane.Partition && TaskIds.IsMade(task.TaskId)))
        {
            task.Unplaced = record;
            _stops.PublishLane(task.TaskId, lane.Partition);
        }
        else
            Begin(task);
    }

    /// <summary>The lane of a task whose record does not contain it is now known.</summary>
    private void Place(string taskId)
    {
        var meant = _stops.LaneOf(taskId);
        foreach (var lane in _lanes.Values)
            if (lane.Find(taskId) is { Unplaced: { } record } task)
            {
                task.Unplaced = null;
                if (meant == lane.Partition)
                    Begin(task);
                else if (meant is { } other)
                {
                    _stops.ForgetLane(taskId, lane.Partition);
                    lane.Abandon(task.Offset);
                    PutAside(lane, record, Elsewhere(taskId, other, lane));
                }
            }
    }

    private void Begin(QueuedTask task)
    {
        var lane = task.Lane;
        Decide(task);
        if (!task.IsRunning && lane.Find(task.TaskId) == task && task.NextDeadline(hasStarted: lane.Log.Stories.ContainsKey(task.TaskId)) is { } deadline)
            _deadlines.Enqueue(task, deadline);
    }

    private void PutAside(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record, string error)
    {
        LogUnreadable(_logger, lane.Partition, record.Offset.Value, error);
        lane.Done(record.Offset.Value);
        var (now, isShort) = (_clock.GetUtcNow(), false);
        _commits.Add(Decided.Of(lane, () => [_writes.Unreadable(lane, record, error, now, isShort)]) with
        {
            Reduce = () => !isShort && (isShort = true),
            GiveUp = () => _warnings.Add(
                $"the record at {lane.Partition}/{record.Offset.Value} of {_topics.Tasks} is not a task, and {_topics.DeadLetters} refuses its dead letter"),
        });
    }

    private void Reconsider(OwnedLane lane, string taskId)
    {
        if (lane.Find(taskId) is { } task && task != _running)
            Decide(task);
    }

    /// <summary>Decides about a task that this worker does not run now; the decision is written with the next commit.</summary>
    private Decision Decide(QueuedTask task)
    {
        if (task.Unplaced is not null)
            return new Decision.Undecided();
        var story = task.Lane.Log.Stories.GetValueOrDefault(task.TaskId);
        var now = _clock.GetUtcNow();
        var verdict = Judge(task, story, now);
        task.IsRunning = verdict is Decision.GoesOn;
        switch (verdict)
        {
            case Decision.End end:
                End(task, end);
                break;
            case Decision.Wait wait:
                Wait(task, story!.Copy(), wait, now);
                break;
        }
        return verdict;
    }

    [SuppressMessage("Design", "CA1031", Justification = "A failure of one task ends only that task")]
    private Decision Judge(QueuedTask task, TaskStory? story, DateTimeOffset now)
    {
        try
        {
            return Decision.Of(task, story, _stops.Find(task.TaskId), now, RandomNumberGenerator.GetInt32(int.MaxValue) / (double)int.MaxValue);
        }
        catch (Exception exception)
        {
            LogUnjudged(_logger, exception, task.TaskId);
            return Decision.Unjudged(story, exception.Message);
        }
    }

    private void End(QueuedTask task, Decision.End end)
    {
        var now = _clock.GetUtcNow();
        var (story, stop) = (task.Lane.Log.Stories.GetValueOrDefault(task.TaskId), _stops.Find(task.TaskId));
        var decided = Decided.Of(task.Lane, () => _writes.End(task, story, end, stop, now));
        task.Lane.End(task, new EndedTask(now, NamesStop: stop is not null));
        _commits.Add(decided with { Ended = task.TaskId, Reduce = task.TryReduce, GiveUp = () => Reopen(task, story) });
        using var scope = _logger.BeginAttempt(task.Submission, story?.Attempts is [.., var last] ? last.Attempt : 0, _options.Id);
        LogEnded(_logger, task.TaskId, end.Status, end.Reason, end.ExitCode, end.Error ?? "");
    }

    /// <param name="story">The task's story before the wait.</param>
    private void Wait(QueuedTask task, TaskStory story, Decision.Wait wait, DateTimeOffset now)
    {
        var (state, records) = _writes.Wait(task, story, wait, now);
        task.Lane.Wait(task, state);
        _commits.Add(new Decided(task.Lane, records, () => _writes.Wait(task, story, wait, now).Records)
        {
            Reduce = task.TryReduce,
            GiveUp = () =>
            {
                Reopen(task, story);
                End(task, new Decision.End(Status.Failed, wait.Reason)
                {
                    Error = $"Kafka refuses the record of its next attempt; before that: {wait.Error}",
                    Class = wait.Class,
                    IsDeadLettered = true,
                });
            },
        });
        using var scope = _logger.BeginAttempt(task.Submission, state.Attempt, _options.Id);
        LogWaits(_logger, task.TaskId, state.Status, wait.Until, wait.Error);
    }

    /// <summary>The decision about a task cannot be written. The task stays, and is decided about again later; other tasks continue.</summary>
    private void Reopen(QueuedTask task, TaskStory? story)
    {
        task.Lane.Reopen(task, story);
        task.NotBefore = _clock.GetUtcNow() + PendingCommits.UnwritablePause;
        _warnings.Add($"task {task.TaskId} has ended, and Kafka refuses the record of its end; "
            + $"the write is repeated every {PendingCommits.UnwritablePause.TotalSeconds:0} s");
    }

    private void Apply(ControlRecord control)
    {
        var run = _run?.Id.TaskId == control.TaskId ? _run : null;
        if (run is null)
            ApplyToWaiting(control);
        else if (control.Signal == ControlRecord.Stop)
            run.Stop(control);
        else
            run.Pause(control);
    }

    /// <summary>Applies a signal to a task that does not run here. A PAUSE needs no decision: paused tasks are not chosen.</summary>
    private void ApplyToWaiting(ControlRecord control)
    {
        foreach (var lane in _lanes.Values)
            if (!lane.HasEnded(control.TaskId))
            {
                if (control.Signal == ControlRecord.Stop)
                    Reconsider(lane, control.TaskId);
            }
            else if (!_commits.Holds(control.TaskId))
                ForgetSignals(lane, control.TaskId);
    }

    /// <summary>
    /// Removes an ended task's signals from <c>task-control</c>, except a STOP that was too late to be named by the committed end: it stays as long
    /// as the end, so that readers of both can report it.
    /// </summary>
    private void ForgetSignals(OwnedLane lane, string taskId)
    {
        _stops.ForgetPause(taskId);
        if (lane.NamesStop(taskId))
            _stops.ForgetStop(taskId);
    }

    private void DecideOverdue()
    {
        var now = _clock.GetUtcNow();
        while (_deadlines.TryPeek(out var task, out var deadline) && deadline <= now)
        {
            _deadlines.Dequeue();
            if (!task.Lane.IsOwned || task.Lane.Find(task.TaskId) != task || task == _running)
                continue;
            Decide(task);
            if (task.Submission.Deadline > now && task.Lane.Find(task.TaskId) == task)
                _deadlines.Enqueue(task, task.Submission.Deadline.Value);
        }
    }

    // ---- The running task ----

    private void StartNext()
    {
        while (_run is null && _commits.Count < MostUncommitted && _choice.Next(_lanes.Values, _stops.IsPaused, _clock.GetUtcNow()) is { } task)
            if (Decide(task) is Decision.Run next)
            {
                _run = _runner.Start(task.OrderOf(next.Attempt), (record, offset) => _inbox.Post(() => Wrote(task, record, offset)));
                _running = task;
                var run = _run;
                run.Result.ContinueWith(_ => _inbox.Post(() => EndRun(run, task)), TaskScheduler.Default);
            }
        foreach (var lane in _lanes.Values)
            if (lane.IsPaused && lane.Tasks.Count < TasksPerLane / 2)
            {
                lane.IsPaused = false;
                _reader.Resume(new TopicPartition(_topics.Tasks, lane.Partition));
            }
    }

    /// <summary>A record with consequences of the running attempt has been acknowledged.</summary>
    private static void Wrote(QueuedTask task, AttemptRecord record, long offset)
    {
        if (task.Lane.IsOwned)
            task.Lane.Log.Apply(record, offset);
    }

    private void EndRun(AttemptRun run, QueuedTask task)
    {
        (_run, _running) = (null, null);
        run.Dispose();
        var refused = run.Result.GetAwaiter().GetResult();
        if (run.IsDetached)
            StopFollowing(run.Id.Lane);
        if (!task.Lane.IsOwned)
            return;   // the lane's owner finds the result in the log
        if (refused is not null)
            End(task, Decision.Refused(refused));
        else
            Decide(task);
    }

    /// <summary>
    /// A worker with a long task leaves the group until it has time again, if tasks wait in its lanes and another worker is free: that worker gets
    /// its lanes, and its task continues.
    /// </summary>
    private void LeaveOrRejoin()
    {
        var isWaiting = _lanes.Values.Any(lane => lane.Tasks.Any(task => !task.IsRunning && task != _running));
        if (_member.IsJoined && _run is not null && isWaiting && _claiming is null && _presence.ShouldGiveWay(_run))
        {
            using var scope = _run.BeginScope(_logger);
            LogGivesWay(_logger, _run.Id.TaskId);
            _member.Leave();
        }
        else if (!_member.IsJoined && (_run is null || _presence.IsNobodyElseThere))
            _member.Join();
    }

    /// <summary>Writes tombstones for tasks that ended long ago.</summary>
    private void ForgetOld()
    {
        var now = _clock.GetUtcNow();
        if (now < _nextSweep)
            return;
        _nextSweep = now + TimeSpan.FromSeconds(Math.Clamp(_options.Keep.TotalSeconds / 10, 0.2, 60));
        foreach (var lane in _lanes.Values)
            if (lane.TakeEndedBefore(now - _options.Keep) is { Count: > 0 } old)
            {
                _commits.Add(Decided.Of(lane, () => [.. old.Select(taskId => new CommitRecord(_topics.State, lane.Partition, taskId, null))]));
                foreach (var taskId in old)
                {
                    _stops.ForgetStop(taskId);
                    if (_stops.LaneOf(taskId) == lane.Partition)
                        _stops.ForgetLane(taskId, lane.Partition);
                }
            }
    }

    // ---- The end of the worker ----

    private void Drain()
    {
        var began = _clock.GetTimestamp();
        if (_run is { } run)
        {
            using var scope = run.BeginScope(_logger);
            LogDrains(_logger, run.Id.TaskId, _options.DrainTimeout);
        }
        while (_run is not null && _clock.GetElapsedTime(began) < _options.DrainTimeout)
            Turn();
        _run?.Leave(EndReason.WorkerShutdown);
        while (_run is not null)
            Turn();
        _commits.CommitRest(LastCommitTimeout);
    }

    private void RepairOrThrow()
    {
        _committer.ThrowIfHung(_watch.AnsweringFor);
        _producer.RenewIfStuck();
        foreach (var part in _parts)
            if (part.IsFaulted)
                part.GetAwaiter().GetResult();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} waits for tasks")]
    private static partial void LogReady(ILogger logger, string worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Took {Count} lanes, {Total} in total")]
    private static partial void LogClaimed(ILogger logger, int count, int total);

    [LoggerMessage(Level = LogLevel.Information, Message = "Gave up {Count} lanes, {Total} are left")]
    private static partial void LogRevoked(ILogger logger, int count, int total);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} lanes could not be claimed yet: {Reason}")]
    private static partial void LogNotClaimed(ILogger logger, int count, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} continues while lane {Partition} moves to another worker")]
    private static partial void LogHandedOver(ILogger logger, string taskId, int partition);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Task {TaskId} is ended here: {Worker} has its lane and runs it again")]
    private static partial void LogNotKept(ILogger logger, string taskId, string worker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Task {TaskId}, attempt {Attempt}, on another worker is silent")]
    private static partial void LogSilent(ILogger logger, string taskId, int attempt);

    [LoggerMessage(Level = LogLevel.Information, Message = "Other workers are free: giving up all lanes while task {TaskId} runs")]
    private static partial void LogGivesWay(ILogger logger, string taskId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} has ended: {Status}, {Reason}, exit code {ExitCode} {Error}")]
    private static partial void LogEnded(ILogger logger, string taskId, Status status, EndReason reason, int? exitCode, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} is {Status} until {Until}: {Reason}")]
    private static partial void LogWaits(ILogger logger, string taskId, Status status, DateTimeOffset? until, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The record at {Partition}/{Offset} is not a task and goes to the dead letters: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, int partition, long offset, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The rules of its type cannot be applied to task {TaskId}")]
    private static partial void LogUnjudged(ILogger logger, Exception exception, string taskId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Shutting down: task {TaskId} continues for up to {DrainTimeout}, and is then given back")]
    private static partial void LogDrains(ILogger logger, string taskId, TimeSpan drainTimeout);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The group has removed this worker; {Count} lanes are lost")]
    private static partial void LogLost(ILogger logger, int count);
}

using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// The worker's loop, on a thread of its own: it hears the group, knows the tasks of the lanes that it owns, decides about each, runs one at a time,
/// and has what was decided committed. Nothing in it waits for Kafka but the handing over of a lane.
/// </summary>
internal sealed partial class WorkerLoop : IDisposable
{
    private const int TasksPerLane = 200;     // read ahead; beyond that a lane is paused
    private const int MostUncommitted = 64;   // ends that may wait for their transaction before no task is started
    private static readonly TimeSpan TurnTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan RefusedPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan HandOverTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastCommitTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan UnwritablePause = TimeSpan.FromSeconds(30);   // then what Kafka has refused is tried again: somebody may have mended the topic

    private readonly KafkaCluster _cluster;
    private readonly Topics _topics;
    private readonly StopSignals _stops;
    private readonly AttemptRunner _runner;
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
    private readonly Fleet _fleet;

    private readonly Dictionary<int, object> _assigned = [];   // partition → this very assignment of it
    private readonly Dictionary<int, OwnedLane> _lanes = [];
    private readonly PriorityQueue<QueuedTask, DateTimeOffset> _deadlines = new();
    private readonly List<Decided> _decided = [];
    private IReadOnlyList<Task> _parts = [];
    private Task? _claiming;
    private Commitment? _committing;
    private long _refusedAt;
    private AttemptRun? _run;
    private long _turn;                    // of the choice among waiting tasks
    private DateTimeOffset _nextSweep;

    public WorkerLoop(
        KafkaCluster cluster, TopicWatch watch, StopSignals stops, AttemptRunner runner, LaneReader reader, PlainProducer producer, ProgressLog log, Fleet fleet, IOptions<WorkerOptions> options, IOptions<KafkaOptions> kafka,
        TimeProvider clock, ILoggerFactory loggers)
    {
        (_cluster, _topics, _handling) = (cluster, cluster.Topics, cluster.NewHandling());
        _stops = stops;
        _watch = watch;
        _runner = runner;
        _producer = producer;
        _log = log;
        _fleet = fleet;
        _options = options.Value;
        _session = kafka.Value.SessionTimeout;
        _barrierInterval = kafka.Value.ProgressRetention / 4;
        _clock = clock;
        _logger = loggers.CreateLogger<WorkerLoop>();
        _member = new GroupMember(cluster, Assigned, Revoked, Lost, loggers.CreateLogger<GroupMember>());
        _committer = new Committer(cluster.IsEmbedded ? new PlainCommit(cluster, _member.CommitOffsets) : new TransactionalCommit(cluster, _options.Id));
        _claims = new LaneClaims(cluster, _member, _committer, log, stops, _options.Id, clock, loggers.CreateLogger<LaneClaims>());
        _reader = reader;
        _writes = new LaneWrites(_topics);
    }

    /// <summary>Runs until cancelled; the running task is then waited for or given back. Any other end is an exception, and the process must not outlive it.</summary>
    /// <param name="parts">Other parts of the process without which it is of no use.</param>
    public void Run(IReadOnlyList<Task> parts, CancellationToken stoppingToken)
    {
        _parts = [.. parts, _log.Broken, _reader.Reading];
        _committer.Open(stoppingToken);
        foreach (var warning in _cluster.Guard?.Warnings ?? [])
            _runner.Warnings.Add(warning);
        _stops.Heard = control => _inbox.Post(() => Hear(control));
        _stops.Placed = taskId => _inbox.Post(() => Place(taskId));
        _member.Join();
        _runner.Launchers.Prepare();
        LogReady(_logger, _options.Id);
        while (!stoppingToken.IsCancellationRequested)
        {
            Turn(StartNext);
            GiveWay();
        }
        Drain();
        _member.Close();
        _fleet.SayGoodbye();
    }

    public void Dispose()
    {
        (_stops.Heard, _stops.Placed) = (null, null);
        _run?.Leave(EndReason.WorkerLost);
        _run?.Dispose();
        _committer.Dispose();
        _claims.Dispose();
        _member.Dispose();
        _inbox.Dispose();
    }

    /// <summary>One round: what others have brought, what the group says, and what follows from both.</summary>
    private void Turn(Action? startNext = null)
    {
        _inbox.Work(TurnTime);
        startNext?.Invoke();   // first: somebody waits for it
        _member.Poll();
        MendOrThrow();
        ClaimLanes();
        DecideOverdue();
        WatchKept();
        ForgetOld();
        Commit();
        _run?.SayAlive();
        _fleet.Tell(_run, _lanes.Values, isAway: !_member.IsJoined);
    }

    // ---- Lanes: whose they are ----

    private void Assigned(IReadOnlyList<int> partitions)
    {
        foreach (var partition in partitions)
            _assigned[partition] = new object();
    }

    /// <summary>
    /// The group moves lanes to others and waits for this handler: what is decided is committed, and a running attempt is handed over. It goes on here,
    /// and the next owner writes its end.
    /// </summary>
    private void Revoked(IReadOnlyList<int> partitions)
    {
        if (partitions.Count == 0)
            return;
        CommitRest(HandOverTimeout);
        if (_run is { IsDetached: false } run && partitions.Contains(run.Queued.Lane.Partition) && Detach(run))
        {
            if (run.HandOver(HandOverTimeout))
            {
                using var scope = About(run);
                LogHanded(_logger, run.Queued.TaskId, run.Queued.Lane.Partition);
            }
            CrashPoint.Reach(CrashPoint.Handed);
        }
        foreach (var partition in partitions)
            Drop(partition);
        LogRevoked(_logger, partitions.Count, _lanes.Count);
    }

    /// <summary>
    /// The group has counted this worker out, or could not be reached for a session. Others may own the lanes by now, and the log will say so: an attempt
    /// goes on only until a barrier is read that does not keep it, and not at all where it must not overlap another.
    /// </summary>
    private void Lost(IReadOnlyList<int> partitions)
    {
        LogLost(_logger, partitions.Count);
        if (_run is { IsDetached: false } run && partitions.Contains(run.Queued.Lane.Partition) && Detach(run) && run.MustNotOverlap)
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

    /// <summary>False: no attempt has begun, and none will here.</summary>
    private bool Detach(AttemptRun run)
    {
        if (run.LeaveUnbegun())
            return false;
        run.Detach();
        FollowLog(run.Queued.Lane.Partition, run.LastOffset);
        return true;
    }

    private void ClaimLanes()
    {
        if (_claiming is not null || Environment.TickCount64 < _refusedAt)
            return;
        var wanted = _assigned.Where(assignment => !_lanes.ContainsKey(assignment.Key)).ToDictionary();
        if (wanted.Count == 0)
            return;
        var running = _run is { HasBegun: true } run ? new KeptAttempt(run.Queued.TaskId, run.Attempt) : null;
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
            LogNotClaimed(_logger, wanted.Count, exception.Message);   // the group says more in the next poll
            _refusedAt = Environment.TickCount64 + (long)RefusedPause.TotalMilliseconds;
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
        if (_run is { IsDetached: true } run && owned.Find(lane => lane.Partition == run.Queued.Lane.Partition) is { } back && !run.GoesOnIn(back.Log))
        {
            // Another worker has had the lane meanwhile, and has counted the attempt as lost: its barrier lies in front of where the log is followed from.
            using var scope = About(run);
            LogNotKept(_logger, run.Queued.TaskId, back.Log.Owner ?? "");
            run.Leave(EndReason.WorkerLost);
        }
        foreach (var taskId in _stops.InForce)
            if (owned.Find(lane => lane.HasEnded(taskId)) is { } lane)
                ForgetSignals(lane, taskId);
        LogClaimed(_logger, owned.Count, _lanes.Count);
    }

    // ---- Attempts that go on under an earlier claim ----

    private void FollowLog(int partition, long from) =>
        _reader.Read(new TopicPartition(_topics.Progress, partition), from, record => _inbox.Post(() => _handling.Handle(record, Follow)));

    /// <summary>Where nothing goes on any more under an earlier claim, a lane's log is not read.</summary>
    private void StopFollowing(int partition)
    {
        var isNeeded = _lanes.GetValueOrDefault(partition) is { Kept.Count: > 0 } || (_run is { IsDetached: true } run && run.Queued.Lane.Partition == partition);
        if (!isNeeded)
            _reader.End(new TopicPartition(_topics.Progress, partition));
    }

    private void Follow(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is null || !TaskJson.TryDecodeProgress(result.Message.Value, out var record, out _))
            return;
        var partition = result.Partition.Value;
        if (record is LaneBarrier barrier && _run is { IsDetached: true } run && run.Queued.Lane.Partition == partition && !run.IsKeptBy(barrier))
        {
            using var scope = About(run);
            LogNotKept(_logger, run.Queued.TaskId, barrier.Worker);
            run.Leave(EndReason.WorkerLost);
        }
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
    /// A kept attempt that is silent for a session is lost: a further barrier says so to all, and what it wrote before that still counts. Where one goes
    /// on for very long, the barrier that keeps it is written again before retention takes it.
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
                lane.Kept[kept] = _clock.GetTimestamp();   // asked for; not again at once
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

    // ---- Tasks: what to do about each ----

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
        else if (record.Message.Value!.Length > TaskJson.MostSubmissionBytes / 3 && TaskJson.Encode(submission) is { Length: > TaskJson.MostSubmissionBytes } encoded)
            PutAside(lane, record, $"it has {encoded.Length} bytes where a task may have {TaskJson.MostSubmissionBytes}: give it what is large as a file, or by a path");
        else if (lane.IsDouble(submission))
            lane.Done(offset);
        else if (submission.Attempt > lane.FirstOf(submission.TaskId))
            PutAside(lane, record, $"it asks for attempt {submission.Attempt}, and the next one is {lane.FirstOf(submission.TaskId)}");
        else
            Add(lane, record, submission);
    }

    private static string Elsewhere(string taskId, int meant, OwnedLane lane) =>
        $"task {taskId} is in lane {meant}, and this is a copy of its record in lane {lane.Partition}: an id is one task over all lanes";

    private void Add(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record, TaskSubmission submission)
    {
        var type = _runner.Catalogue.Find(submission.Type, submission.Command);
        var task = new QueuedTask(lane, record.Offset.Value, type?.Complete(submission, record.Message.Timestamp.UtcDateTime) ?? submission, type);
        if (lane.Log.Stories.GetValueOrDefault(task.TaskId)?.Attempts.LastOrDefault(attempt => attempt.Reason == EndReason.WorkerLost) is { EndedAt: { } lostAt } && MustNotOverlap(task))
            task.NotBefore = lostAt + _session;
        lane.Add(task);
        if (_stops.LaneOf(task.TaskId) is null && !(submission.Lane == lane.Partition && TaskIds.IsMade(task.TaskId)))
        {
            task.Unplaced = record;
            _stops.TellLane(task.TaskId, lane.Partition);
        }
        else
            Begin(task);
    }

    /// <summary>It is known which lane a task is in whose record does not say so.</summary>
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
        _decided.Add(Decided.Of(lane, () => [_writes.Unreadable(lane, record, error, now, isShort)]) with
        {
            Reduce = () => !isShort && (isShort = true),
            GiveUp = () => _runner.Warnings.Add($"the record at {lane.Partition}/{record.Offset.Value} of {_topics.Tasks} is no task, and {_topics.DeadLetters} does not take its dead letter"),
        });
    }

    private void Reconsider(OwnedLane lane, string taskId)
    {
        if (lane.Find(taskId) is { } task && _run?.Queued != task)
            Decide(task);
    }

    /// <summary>Looks at a task that this worker does not run at the moment; what is decided is written with the next commit.</summary>
    private Verdict Decide(QueuedTask task)
    {
        if (task.Unplaced is not null)
            return new Verdict.Undecided();
        var story = task.Lane.Log.Stories.GetValueOrDefault(task.TaskId);
        var now = _clock.GetUtcNow();
        var verdict = Judge(task, story, now);
        task.IsRunning = verdict is Verdict.GoesOn;
        switch (verdict)
        {
            case Verdict.End end:
                End(task, end);
                break;
            case Verdict.Wait wait:
                Wait(task, story!.Copy(), wait, now);
                break;
        }
        return verdict;
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever is wrong with one task, it ends, and the others go on")]
    private Verdict Judge(QueuedTask task, TaskStory? story, DateTimeOffset now)
    {
        try
        {
            return Verdict.Of(task, story, _stops.Find(task.TaskId), now, RandomNumberGenerator.GetInt32(int.MaxValue) / (double)int.MaxValue);
        }
        catch (Exception exception)
        {
            LogUnjudged(_logger, exception, task.TaskId);
            return Verdict.Unjudged(story, exception.Message);
        }
    }

    private void End(QueuedTask task, Verdict.End end)
    {
        var now = _clock.GetUtcNow();
        var (story, stop) = (task.Lane.Log.Stories.GetValueOrDefault(task.TaskId), _stops.Find(task.TaskId));
        var decided = Decided.Of(task.Lane, () => _writes.End(task, story, end, stop, now));
        task.Lane.End(task, new EndedTask(now, NamesStop: stop is not null));
        _decided.Add(decided with { Ended = task.TaskId, Reduce = () => TryReduce(task), GiveUp = () => Reopen(task, story) });
        using var scope = _logger.BeginAttempt(task, story?.Attempts is [.., var last] ? last.Attempt : 0, _options.Id);
        LogEnded(_logger, task.TaskId, end.Status, end.Reason, end.ExitCode, end.Error ?? "");
    }

    /// <param name="story">As it is before the task waits.</param>
    private void Wait(QueuedTask task, TaskStory story, Verdict.Wait wait, DateTimeOffset now)
    {
        var (state, records) = _writes.Wait(task, story, wait, now);
        task.Lane.Wait(task, state);
        _decided.Add(new Decided(task.Lane, records, () => _writes.Wait(task, story, wait, now).Records)
        {
            Reduce = () => TryReduce(task),
            GiveUp = () =>
            {
                Reopen(task, story);
                End(task, new Verdict.End(Status.Failed, wait.Reason) { Error = $"Kafka does not take the record of its next attempt; before that: {wait.Error}", Class = wait.Class, IsDeadLettered = true });
            },
        });
        using var scope = _logger.BeginAttempt(task, state.Attempt, _options.Id);
        LogWaits(_logger, task.TaskId, state.Status, wait.Until, wait.Error);
    }

    private static bool TryReduce(QueuedTask task)
    {
        if (task.Reductions >= Reduction.Most)
            return false;
        task.Reductions++;
        return true;
    }

    /// <summary>Nothing of what was decided about it can be written. It stays where it is, and is decided about again some time; the others go on.</summary>
    private void Reopen(QueuedTask task, TaskStory? story)
    {
        task.Lane.Reopen(task, story);
        task.NotBefore = _clock.GetUtcNow() + UnwritablePause;
        _runner.Warnings.Add($"task {task.TaskId} has ended, and Kafka does not take the record that says so; it is written again each {UnwritablePause.TotalSeconds:0} s");
    }

    private void Hear(ControlRecord control)
    {
        var run = _run?.Queued.TaskId == control.TaskId ? _run : null;
        if (run is null)
            HearOfWaiting(control);
        else if (control.Signal == ControlRecord.Stop)
            run.Stop(control);
        else
            run.Pause(control);
    }

    /// <summary>Of a task that does not run here. While a PAUSE is in force it is passed over, so nothing need be decided about that.</summary>
    private void HearOfWaiting(ControlRecord control)
    {
        foreach (var lane in _lanes.Values)
            if (!lane.HasEnded(control.TaskId))
            {
                if (control.Signal == ControlRecord.Stop)
                    Reconsider(lane, control.TaskId);
            }
            else if (!IsUncommitted(control.TaskId))
                ForgetSignals(lane, control.TaskId);
    }

    private bool IsUncommitted(string taskId) => _decided.Concat(_committing?.What ?? []).Any(decided => decided.Ended == taskId);

    /// <summary>
    /// What was asked of a task whose end is committed is taken out of <c>task-control</c>, but for a STOP that came too late to be named by that end: it
    /// stays there as long as the end is kept, so that whoever reads both can say so.
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
            if (!task.Lane.IsOwned || task.Lane.Find(task.TaskId) != task || _run?.Queued == task)
                continue;
            Decide(task);
            if (task.Submission.Deadline > now && task.Lane.Find(task.TaskId) == task)
                _deadlines.Enqueue(task, task.Submission.Deadline.Value);
        }
    }

    // ---- The one task that runs here ----

    private void StartNext()
    {
        while (_run is null && _decided.Count < MostUncommitted && Choose() is { } task)
            if (Decide(task) is Verdict.Run run)
            {
                _run = _runner.Start(task, run.Attempt, (record, offset) => _inbox.Post(() => Wrote(task, record, offset)));
                var started = _run;
                started.Result.ContinueWith(_ => _inbox.Post(() => EndRun(started)), TaskScheduler.Default);
            }
        foreach (var lane in _lanes.Values)
            if (lane.IsPaused && lane.Tasks.Count < TasksPerLane / 2)
            {
                lane.IsPaused = false;
                _reader.Resume(new TopicPartition(_topics.Tasks, lane.Partition));
            }
    }

    /// <summary>
    /// The next task among all that wait here: the highest priority first, the oldest of it, whose key is free. Each fourth choice is the oldest of
    /// all, so that no priority starves another.
    /// </summary>
    private QueuedTask? Choose()
    {
        var now = _clock.GetUtcNow();
        var byAgeAlone = _turn % 4 == 3;
        var chosen = _lanes.Values.SelectMany(lane => lane.Tasks)
            .Where(task => !task.IsRunning && task.Unplaced is null && task.NotBefore <= now && !_stops.IsPaused(task.TaskId) && IsFree(task, now))
            .MinBy(task => (byAgeAlone ? Priority.High : task.Submission.Priority, task.Submission.SubmittedAt, task.Offset));
        if (chosen is not null)
            _turn++;
        return chosen;
    }

    /// <summary>
    /// A key's slot has one lane, so whoever owns that knows what runs with it. After a loss, or while it does not know yet what the attempts are that go
    /// on elsewhere, a session must pass: nobody else's agent with the key lives then.
    /// </summary>
    private bool IsFree(QueuedTask task, DateTimeOffset now)
    {
        if (task.Submission.Concurrency is not { } wanted)
            return true;
        var lane = task.Lane;
        if (now < lane.ClaimedAt + _session && lane.Log.Stories.Values.Any(story => story.Attempts.Any(attempt => attempt.Reason == EndReason.WorkerLost && attempt.EndedAt + _session > now)))
            return false;
        return lane.Kept.Keys.All(kept => lane.Find(kept.TaskId) is { } known && !IsSameSlot(known));

        bool IsSameSlot(QueuedTask other) =>
            other.Submission.Project == task.Submission.Project && other.Submission.Concurrency is { } held && (held.Key, held.Slot) == (wanted.Key, wanted.Slot);
    }

    private static bool MustNotOverlap(QueuedTask task) => task.Type?.Overlap == Shared.Catalogue.Overlap.Never || task.Submission.Concurrency is not null;

    /// <summary>A record of the running attempt from which something follows has been acknowledged.</summary>
    private static void Wrote(QueuedTask task, AttemptRecord record, long offset)
    {
        if (task.Lane.IsOwned)
            task.Lane.Log.Apply(record, offset);
    }

    private void EndRun(AttemptRun run)
    {
        _run = null;
        run.Dispose();
        var refused = run.Result.GetAwaiter().GetResult();
        if (run.IsDetached)
            StopFollowing(run.Queued.Lane.Partition);
        if (!run.Queued.Lane.IsOwned)
            return;   // whoever owns the lane finds in the log what became of it
        if (refused is not null)
            End(run.Queued, Verdict.Refused(refused));
        else
            Decide(run.Queued);
    }

    /// <summary>
    /// A worker that is busy for long, while tasks wait in its lanes and another worker has time, leaves the group until it has time again: its lanes go to
    /// those that have, and its task runs on.
    /// </summary>
    private void GiveWay()
    {
        var isWaiting = _lanes.Values.Any(lane => lane.Tasks.Any(task => !task.IsRunning && task != _run?.Queued));
        if (_member.IsJoined && _run is not null && isWaiting && _claiming is null && _fleet.ShouldGiveWay(_run))
        {
            using var scope = About(_run);
            LogGivesWay(_logger, _run.Queued.TaskId);
            _member.Leave();
        }
        else if (!_member.IsJoined && (_run is null || _fleet.IsNobodyElseThere))
            _member.Join();
    }

    // ---- Commits ----

    /// <summary>Everything that was decided since the last commit goes into one, as soon as that is through.</summary>
    private void Commit()
    {
        _decided.RemoveAll(decided => !decided.Lane.IsOwned);
        if (_committing is not null || _decided.Count == 0 || Environment.TickCount64 < _refusedAt)
            return;
        var alone = _decided.Find(decided => decided.IsAlone);
        List<Decided> included = alone is null ? [.. _decided] : [alone];
        _decided.RemoveAll(included.Contains);
        // One that is written alone does not move its lane: what was decided beside it is not written yet.
        var places = included.Select(decided => decided.Lane).Distinct().ToDictionary(lane => lane, lane => alone is null ? lane.Next : lane.Committed);
        var committing = _committer.CommitAsync(new Batch(
            _member.Metadata,
            [
                .. included.SelectMany(decided => decided.Records),
                .. places.Keys.Where(_ => alone is null).Select(lane => new CommitRecord(_topics.State, lane.Partition, LaneState.Key(lane.Partition), TaskJson.Encode(lane.State(_options.Id)))),
            ],
            [.. places.Select(place => new TopicPartitionOffset(_topics.Tasks, place.Key.Partition, place.Value))]));
        _committing = new(committing, included, places);
        committing.ContinueWith(_ => _inbox.Post(() => Committed(committing)), TaskScheduler.Default);
    }

    private void Committed(Task committing)
    {
        if (_committing is not var (done, included, places) || done != committing)
            return;   // was waited for
        _committing = null;
        if (committing.Exception?.InnerException is FencedException fenced)
        {
            // A rebalance fences too, and may leave the lanes here: then it is written again as whoever we are by then.
            LogFenced(_logger, fenced.Message);
            _decided.InsertRange(0, included);
            _refusedAt = Environment.TickCount64 + (long)RefusedPause.TotalMilliseconds;
            return;
        }
        if (committing.Exception?.InnerException is RefusedException refused)
        {
            Refused(refused, included);
            return;
        }
        committing.GetAwaiter().GetResult();   // what became of any other failure nobody knows: the process ends
        foreach (var (lane, next) in places)
            lane.Committed = next;
        foreach (var decided in included)
            if (decided.Ended is { } taskId)
                ForgetSignals(decided.Lane, taskId);
    }

    /// <summary>
    /// Kafka does not take a record. Others that went with it are written without it, and it is made smaller; what cannot be written at all is named, and the lane goes on.
    /// A batch of several can be too large where each of them is not, so they are tried one by one before that.
    /// </summary>
    private void Refused(RefusedException refused, List<Decided> included)
    {
        var affected = included.Where(decided => decided.Records.Any(record => refused.Records.Contains(record, ReferenceEqualityComparer.Instance))).ToList();
        LogRefused(_logger, string.Join(", ", refused.Records.Select(record => $"{record.Key} of {record.Value?.Length ?? 0} bytes for {record.Topic}").Take(3)), refused.Message);
        _decided.InsertRange(0, included.Where(decided => !affected.Contains(decided)));
        if (affected.Count == 0)
        {
            // The lane's own state: nothing can be committed until somebody has mended that topic.
            _refusedAt = Environment.TickCount64 + (long)UnwritablePause.TotalMilliseconds;
            _runner.Warnings.Add($"Kafka does not take the state of a lane: {refused.Message}");
        }
        foreach (var decided in affected.Where(decided => decided.Lane.IsOwned))
            if (!decided.IsAlone && included.Count > 1)
                _decided.Add(decided with { IsAlone = true });
            else if (decided.Reduce())
                _decided.Add(decided.Again());
            else
                decided.GiveUp();
    }

    /// <summary>Waits, for a limited time, until everything that was decided is committed. What is not then, the next owner decides again from the log.</summary>
    private void CommitRest(TimeSpan wait)
    {
        var limit = Environment.TickCount64 + (long)wait.TotalMilliseconds;
        while (_committing is not null || _decided.Any(decided => decided.Lane.IsOwned))
        {
            if (_committing is var (committing, _, _))
            {
                if (Task.WaitAny([committing], TimeSpan.FromMilliseconds(Math.Max(0, limit - Environment.TickCount64))) < 0)
                    return;
                Committed(committing);
                if (committing.IsFaulted)
                    return;
            }
            Commit();
            if (_committing is null)
                return;   // nothing is taken for now
        }
    }

    /// <summary>Tombstones for tasks that ended long ago.</summary>
    private void ForgetOld()
    {
        var now = _clock.GetUtcNow();
        if (now < _nextSweep)
            return;
        _nextSweep = now + TimeSpan.FromSeconds(Math.Clamp(_options.Keep.TotalSeconds / 10, 0.2, 60));
        foreach (var lane in _lanes.Values)
            if (lane.TakeEndedBefore(now - _options.Keep) is { Count: > 0 } old)
            {
                _decided.Add(Decided.Of(lane, () => [.. old.Select(taskId => new CommitRecord(_topics.State, lane.Partition, taskId, null))]));
                foreach (var taskId in old)
                {
                    _stops.ForgetStop(taskId);
                    if (_stops.LaneOf(taskId) == lane.Partition)
                        _stops.ForgetLane(taskId, lane.Partition);
                }
            }
    }

    // ---- The end of it ----

    private void Drain()
    {
        var began = _clock.GetTimestamp();
        if (_run is { } run)
        {
            using var scope = About(run);
            LogDrains(_logger, run.Queued.TaskId, _options.DrainTimeout);
        }
        while (_run is not null && _clock.GetElapsedTime(began) < _options.DrainTimeout)
            Turn();
        _run?.Leave(EndReason.WorkerShutdown);
        while (_run is not null)
            Turn();
        CommitRest(LastCommitTimeout);
    }

    private void MendOrThrow()
    {
        _committer.ThrowIfHung(_watch.AnsweringFor);
        _producer.RenewIfStuck();
        foreach (var part in _parts)
            if (part.IsFaulted)
                part.GetAwaiter().GetResult();
    }

    private IDisposable? About(AttemptRun run) => _logger.BeginAttempt(run.Queued, run.Attempt, _options.Id);

    /// <param name="Places">Of each lane the offset of the first record that is not done with.</param>
    private sealed record Commitment(Task Done, List<Decided> What, Dictionary<OwnedLane, long> Places);

    /// <summary>Records that are to be committed together with the lane's place.</summary>
    /// <param name="Write">Makes them, as small as was asked for.</param>
    private sealed record Decided(OwnedLane Lane, IReadOnlyList<CommitRecord> Records, Func<IReadOnlyList<CommitRecord>> Write)
    {
        /// <summary>The task whose end they are.</summary>
        public string? Ended { get; init; }

        /// <summary>Nothing else is committed with them.</summary>
        public bool IsAlone { get; init; }

        /// <summary>Kafka does not take them: asks for smaller ones. False: there are none.</summary>
        public Func<bool> Reduce { get; init; } = static () => false;

        /// <summary>There are no smaller ones.</summary>
        public Action GiveUp { get; init; } = static () => { };

        public static Decided Of(OwnedLane lane, Func<IReadOnlyList<CommitRecord>> write) => new(lane, write(), write);

        public Decided Again() => this with { Records = Write(), IsAlone = true };
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Worker {Worker} waits for tasks")]
    private static partial void LogReady(ILogger logger, string worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Took {Count} lanes, {Total} in all")]
    private static partial void LogClaimed(ILogger logger, int count, int total);

    [LoggerMessage(Level = LogLevel.Information, Message = "Gave {Count} lanes up, {Total} are left")]
    private static partial void LogRevoked(ILogger logger, int count, int total);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} lanes could not be claimed yet: {Reason}")]
    private static partial void LogNotClaimed(ILogger logger, int count, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} runs on while lane {Partition} goes to another worker")]
    private static partial void LogHanded(ILogger logger, string taskId, int partition);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Task {TaskId} is ended here: {Worker} has its lane and runs it anew")]
    private static partial void LogNotKept(ILogger logger, string taskId, string worker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Nothing is heard of task {TaskId}, attempt {Attempt}, which another worker runs")]
    private static partial void LogSilent(ILogger logger, string taskId, int attempt);

    [LoggerMessage(Level = LogLevel.Information, Message = "Others have time: giving all lanes up while task {TaskId} runs")]
    private static partial void LogGivesWay(ILogger logger, string taskId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} has ended: {Status}, {Reason}, exit code {ExitCode} {Error}")]
    private static partial void LogEnded(ILogger logger, string taskId, Status status, EndReason reason, int? exitCode, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} is {Status} until {Until}: {Reason}")]
    private static partial void LogWaits(ILogger logger, string taskId, Status status, DateTimeOffset? until, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The record at {Partition}/{Offset} is no task and goes to the dead letters: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, int partition, long offset, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The rules of task {TaskId} cannot be applied to it")]
    private static partial void LogUnjudged(ILogger logger, Exception exception, string taskId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka does not take {Records}: {Reason}")]
    private static partial void LogRefused(ILogger logger, string records, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The group has refused a commit, it is made again: {Reason}")]
    private static partial void LogFenced(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Told to end: task {TaskId} runs on for up to {DrainTimeout}, and is then given back")]
    private static partial void LogDrains(ILogger logger, string taskId, TimeSpan drainTimeout);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The group has counted this worker out; {Count} lanes are lost")]
    private static partial void LogLost(ILogger logger, int count);
}

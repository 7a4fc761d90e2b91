using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// All tasks, as read from the topics. Three tails write (one reads committed, two do not) and requests read, all under one lock, held for a record
/// or a page and never across a wait. It does not slow watchers, which read the logs without it.
/// </summary>
internal sealed class TaskTable
{
    private readonly KafkaCluster _cluster;
    private readonly Schedule _schedule;
    private readonly LogMemory _memory;
    private readonly Changes _changes;
    private readonly SkippedRecords _skipped;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, TrackedTask> _tasks = [];
    private readonly SortedSet<TrackedTask> _bySubmission = new(Comparer<TrackedTask>.Create(NewestLast));
    private readonly Lane[] _lanes;
    private readonly LaneOwners _owners = new();

    public TaskTable(KafkaCluster cluster, Schedule schedule, LogMemory memory, Changes changes, SkippedRecords skipped)
    {
        (_cluster, _schedule, _memory, _changes, _skipped) = (cluster, schedule, memory, changes, skipped);
        _lanes = [.. Enumerable.Range(0, cluster.Topics.Lanes).Select(_ => new Lane(_owners.Nobody))];
        Placement = new Placement(_gate, _lanes);
    }

    /// <summary>Chooses where new tasks go.</summary>
    public Placement Placement { get; }

    /// <summary>A record of <c>tasks</c>: a submission, a later attempt of a task, or a copy.</summary>
    /// <param name="at">Kafka's timestamp.</param>
    public void Queued(TaskSubmission submission, int lane, long offset, DateTimeOffset at)
    {
        lock (_gate)
        {
            Enqueue(submission, lane, offset, at);
            ReadUpTo(_lanes[lane], submissions: offset + 1);
        }
    }

    /// <summary>A submission that Kafka has just acknowledged: this replica knows it before its tail has read it.</summary>
    public void Accepted(TaskSubmission submission, TaskPlace place)
    {
        lock (_gate)
        {
            if (place.IsScheduled)
                Introduce(Track(submission.TaskId), submission, place, submission.SubmittedAt!.Value);
            else
                Enqueue(submission, place.Lane, place.Offset, submission.SubmittedAt!.Value);
        }
        _changes.Publish();
    }

    /// <summary>An entry of <c>task-schedule</c>.</summary>
    /// <param name="at">Kafka's timestamp.</param>
    public void Scheduled(ScheduleEntry entry, DateTimeOffset at)
    {
        lock (_gate)
        {
            var tracked = Track(entry.Task.TaskId);
            if (entry.Task.Attempt == 1)   // for a later attempt the committed state says more
                Introduce(tracked, entry.Task, new TaskPlace(entry.Lane, entry.Offset, IsScheduled: true), entry.Task.SubmittedAt ?? at);
            if (!_schedule.Add(entry))
                return;
            if (tracked.Entry is { } older)
                _schedule.MakeDue(older);   // its attempt is over: it needs only its tombstone
            tracked.Entry = entry;
            if (tracked.Stop is not null || !IsWanted(tracked, entry))
                _schedule.MakeDue(entry);
        }
    }

    /// <summary>The tombstone of an entry of <c>task-schedule</c>.</summary>
    public void Fired(string key)
    {
        lock (_gate)
        {
            if (_schedule.Remove(key) is { } fired && _tasks.TryGetValue(fired.Task.TaskId, out var tracked) && tracked.Entry == fired)
                tracked.Entry = null;
        }
    }

    /// <summary>The committed owner of a lane: retention may have removed the barrier from its log.</summary>
    public void Claimed(LaneState state)
    {
        lock (_gate)
        {
            var lane = _lanes[state.Lane];
            if (lane.Log.InForce is not { } claim || state.Epoch > claim.Epoch)
                lane.Owner = _owners.Named(state.Worker);
        }
    }

    /// <summary>
    /// Whether an entry still has to be put into <c>tasks</c>: there is no record for its attempt, the attempt has not begun, and the task has not ended.
    /// </summary>
    public bool IsWanted(ScheduleEntry entry)
    {
        lock (_gate)
            return !_tasks.TryGetValue(entry.Task.TaskId, out var tracked) || IsWanted(tracked, entry);
    }

    /// <summary>An input that Kafka has just acknowledged, to recognise it if it is sent again.</summary>
    public void Asked(TrackedTask tracked, TaskInput input)
    {
        lock (_gate)
            tracked.Asked(input);
    }

    public void StopRequested(ControlRecord record)
    {
        lock (_gate)
        {
            var tracked = Track(record.TaskId);
            Publish(tracked, tracked.RequestStop(record));
            if (tracked is { Stop: not null, Entry: { } entry })
                _schedule.MakeDue(entry);   // the lane's owner ends the task
        }
    }

    public void PauseRequested(ControlRecord record)
    {
        lock (_gate)
            Track(record.TaskId).RequestPause(record);
    }

    public void Progressed(ProgressRecord record, int laneNumber, long offset)
    {
        lock (_gate)
        {
            var lane = _lanes[laneNumber];
            var taskId = (record as AttemptRecord)?.TaskId ?? (record as AttemptsSnapshot)?.TaskId;
            var isLate = taskId is not null && _tasks.TryGetValue(taskId, out var known) && (known.IsOver(offset) || IsElsewhere(known, laneNumber));
            switch (isLate ? null : lane.Log.Apply(record, offset))
            {
                case AttemptRecord counted:
                    var tracked = Track(counted.TaskId);
                    Follow(counted.TaskId, lane.Log.Stories[counted.TaskId]);
                    Publish(tracked, tracked.Apply(counted, lane.Log.Stories[counted.TaskId], laneNumber, offset));
                    break;
                case AttemptsSnapshot snapshot:
                    var recalled = Track(snapshot.TaskId);
                    Publish(recalled, recalled.Apply(snapshot, lane.Log.Stories[snapshot.TaskId]));
                    break;
                case LaneBarrier barrier:
                    lane.Owner = _owners.Named(barrier.Worker);
                    PublishLosses(lane.Log, barrier.At);
                    break;
                case TaskEmitted emitted:
                    var named = Track(emitted.TaskId);
                    named.Emit(emitted, laneNumber, offset);
                    Publish(named, null);
                    break;
                case TaskEnded ended:
                    var over = Track(ended.TaskId);
                    over.ReadEnd();
                    if (lane.Closing.Remove(over))
                        Finish(over, lane);
                    break;
            }
            ReadUpTo(lane, progress: offset + 1);
        }
    }

    /// <summary>A tail has read so far in a lane, whether or not the last record could be used.</summary>
    public void ReadUpTo(int lane, long submissions = 0, long progress = 0)
    {
        lock (_gate)
            ReadUpTo(_lanes[lane], submissions, progress);
    }

    /// <summary>A committed state: an end, or what the task waits for.</summary>
    public void Committed(TaskState state)
    {
        lock (_gate)
        {
            var tracked = Track(state.TaskId);
            if (tracked.Committed is not null)
                return;
            if (state.Status.IsEnd())
            {
                tracked.Commit(state);
                if (tracked.Entry is { } entry)
                    _schedule.MakeDue(entry);   // it needs only its tombstone
            }
            var lane = _lanes[state.Lane];
            lane.Committed.Enqueue((tracked, state), state.LogEnd);
            ReadUpTo(lane);
        }
    }

    /// <summary>The task ended so long ago that its state was removed. Its watchers keep its log.</summary>
    public void Forget(string taskId)
    {
        lock (_gate)
        {
            if (!_tasks.Remove(taskId, out var tracked) || tracked.Submission is not { } submission)
                return;
            _bySubmission.Remove(tracked);
            LeaveQueue(tracked);
            if (!tracked.HasEnded)
                Placement.Count(submission, -1);
            _lanes[tracked.Lane].Closing.Remove(tracked);
            _lanes[tracked.Lane].Log.Forget(taskId);
        }
    }

    /// <summary>Ends from before that time no longer wait for their <c>ended</c>: retention has removed it, or it was never written.</summary>
    public void FinishFromBefore(DateTimeOffset time)
    {
        lock (_gate)
        {
            foreach (var lane in _lanes.Where(lane => lane.Closing.Count > 0))
                foreach (var tracked in lane.Closing.Where(tracked => tracked.Committed!.At < time).ToList())
                {
                    lane.Closing.Remove(tracked);
                    Finish(tracked, lane);
                }
        }
    }

    /// <summary>Lanes in which a committed state waits for lines.</summary>
    public IReadOnlyList<int> LanesWithCommitted()
    {
        lock (_gate)
            return [.. Enumerable.Range(0, _lanes.Length).Where(lane => _lanes[lane].Committed.Count > 0)];
    }

    public TrackedTask? Find(string taskId)
    {
        lock (_gate)
            return _tasks.TryGetValue(taskId, out var tracked) && tracked.Submission is not null ? tracked : null;
    }

    public bool HasRead(int lane, long offset)
    {
        lock (_gate)
            return _lanes[lane].SubmissionsRead > offset;
    }

    public bool HasReadProgress(int lane, long offset)
    {
        lock (_gate)
            return _lanes[lane].ProgressRead > offset;
    }

    /// <summary>Reads several fields of a task as one consistent snapshot.</summary>
    public T Read<T>(TrackedTask tracked, Func<TrackedTask, T> read)
    {
        lock (_gate)
            return read(tracked);
    }

    /// <summary>
    /// Number of tasks of its lane before a queued task: the running one, and waiting ones that are more urgent or older. Null for a task that is not queued.
    /// </summary>
    public int? QueuePosition(TrackedTask tracked)
    {
        lock (_gate)
            return tracked is { Status: Status.Queued, IsInQueue: true } ? _lanes[tracked.Lane].PositionOf(tracked) : null;
    }

    /// <summary>
    /// Why the concurrency key of a queued task is not free: another task runs with it or is before it, or an attempt was lost in its lane, which may
    /// still run for the length of a session. Null if it waits for no key.
    /// </summary>
    public KeyHolder? HolderOfKey(TrackedTask tracked, DateTimeOffset now, TimeSpan session)
    {
        lock (_gate)
            return tracked is { Status: Status.Queued, IsInQueue: true, Submission.Concurrency: not null }
                ? _lanes[tracked.Lane].HolderOfKey(tracked, now, session) : null;
    }

    /// <summary>Tasks whose record in <c>tasks</c>, with all its copies, is older than that.</summary>
    public IReadOnlyList<TrackedTask> QueuedBefore(DateTimeOffset time, int lane)
    {
        lock (_gate)
            return [.. _lanes[lane].Unfinished.Values.Where(tracked => tracked.Record!.CopiedAt < time)];
    }

    /// <summary>Snapshots of attempts whose records in <c>task-progress</c> are older than that, to be written again.</summary>
    public IReadOnlyList<AttemptsSnapshot> KnownBefore(DateTimeOffset time, int lane)
    {
        lock (_gate)
        {
            var log = _lanes[lane].Log;
            var old = log.Stories.Where(story => story.Value.KnownSince < time && _tasks.GetValueOrDefault(story.Key) is { Committed: null });
            return [.. old.Select(story => log.Snapshot(story.Key)).OfType<AttemptsSnapshot>()];
        }
    }

    /// <summary>Reads something from every lane, in order.</summary>
    public IReadOnlyList<T> Lanes<T>(Func<int, Lane, T> read)
    {
        lock (_gate)
            return [.. _lanes.Select((lane, number) => read(number, lane))];
    }

    /// <summary>Up to <paramref name="limit"/> tasks after a task, newest first.</summary>
    public IReadOnlyList<T> Page<T>(TrackedTask? after, int limit, Func<TrackedTask, bool> wanted, Func<TrackedTask, T> read)
    {
        lock (_gate)
        {
            var newestFirst = after is null || _bySubmission.Count == 0 ? _bySubmission.Reverse() : OlderThan(after);
            return [.. newestFirst.Where(wanted).Take(limit).Select(read)];
        }
    }

    /// <summary>A lane can move to another worker while its task still runs on the previous one, so the task's story decides who runs it.</summary>
    private void Follow(string taskId, TaskStory story)
    {
        var owner = _owners.Named(story.Attempts[^1].Worker);
        if (story.IsOpen)
            owner.Runs(taskId);
        else
            owner.RunsNoMore(taskId);
    }

    private void PublishLosses(LaneLog log, DateTimeOffset at)
    {
        foreach (var (taskId, story) in log.Stories)
            if (story.Attempts is [.., { Reason: EndReason.WorkerLost } lost] && _tasks.TryGetValue(taskId, out var tracked) && tracked.Attempt == lost.Attempt
                && tracked.Committed is null)
            {
                Follow(taskId, story);
                Publish(tracked, tracked.Lose(at));
            }
    }

    private void Introduce(TrackedTask tracked, TaskSubmission submission, TaskPlace place, DateTimeOffset at)
    {
        if (tracked.Submission is not null)
            return;
        tracked.Submit(submission, place, at);
        foreach (var state in tracked.Log.States)   // states that were read before the submission could not be sent yet
            Publish(tracked, state);
        _bySubmission.Add(tracked);
        Placement.Count(submission, 1);
        if (submission.ReplayOf is { } repeated)
            Track(repeated).RepeatedBy(tracked.TaskId);
    }

    private void Enqueue(TaskSubmission submission, int lane, long offset, DateTimeOffset at)
    {
        var tracked = Track(submission.TaskId);
        Introduce(tracked, submission, new TaskPlace(lane, offset), submission.SubmittedAt ?? at);
        if (tracked.Lane != lane)
        {
            _skipped.Count(_cluster.Topics.Tasks, "double");
            return;
        }
        LeaveQueue(tracked);
        var before = tracked.Record;
        if (!tracked.Ask(new QueuedRecord(submission.Attempt, offset, at, at)) && offset != before!.Offset && !IsCopy(submission, tracked))
            _skipped.Count(_cluster.Topics.Tasks, "double");
        EnterQueue(tracked);
        Publish(tracked, tracked.Requeue());
    }

    /// <summary>Replicas write the same record again: two that fired the same entry, or one that renews it before retention removes it.</summary>
    private static bool IsCopy(TaskSubmission submission, TrackedTask tracked) => submission.Attempt > 1 || submission.SubmittedAt == tracked.SubmittedAt;

    private void EnterQueue(TrackedTask tracked)
    {
        if (tracked.IsInQueue)
            _lanes[tracked.Lane].Unfinished[tracked.Record!.Offset] = tracked;
    }

    private void LeaveQueue(TrackedTask tracked)
    {
        if (tracked.Record is { } record)
            _lanes[tracked.Lane].Unfinished.Remove(record.Offset);
    }

    private static bool IsWanted(TrackedTask tracked, ScheduleEntry entry) =>
        tracked.Committed is null && tracked.Attempt < entry.Task.Attempt && (tracked.Record?.Attempt ?? 0) < entry.Task.Attempt;

    private void ReadUpTo(Lane lane, long submissions = 0, long progress = 0)
    {
        lane.SubmissionsRead = Math.Max(lane.SubmissionsRead, submissions);
        lane.ProgressRead = Math.Max(lane.ProgressRead, progress);
        while (lane.Committed.TryPeek(out var committed, out var logEnd) && logEnd < lane.ProgressRead)
        {
            var (tracked, state) = committed;
            if (tracked.Submission is null && _tasks.ContainsKey(tracked.TaskId))
            {
                if (lane.SubmissionsRead <= state.Offset)
                    return;
                // no longer in the topic `tasks`, but the state has it
                Introduce(tracked, state.Task, new TaskPlace(state.Lane, state.Offset), state.Task.SubmittedAt ?? state.At);
            }
            lane.Committed.Dequeue();
            if (!_tasks.ContainsKey(tracked.TaskId))
                continue;   // removed by Forget meanwhile
            LeaveQueue(tracked);
            if (state.Status.IsEnd() && tracked.IsEndRead)
                Finish(tracked, lane);
            else if (state.Status.IsEnd())
                lane.Closing.Add(tracked);
            else
            {
                Publish(tracked, tracked.Wait(state));
                EnterQueue(tracked);
                Publish(tracked, tracked.Requeue());
            }
        }
    }

    private void Finish(TrackedTask tracked, Lane lane)
    {
        Placement.Count(tracked.Submission!, -1);
        Publish(tracked, tracked.Finish());
        lane.Log.Forget(tracked.TaskId);
        if (tracked.Worker is { } worker)
            _owners.Named(worker).RunsNoMore(tracked.TaskId);
    }

    private void Publish(TrackedTask tracked, WatchEvent? added) => _changes.Add(tracked.Log, added, tracked.Submission?.Project);

    private TrackedTask Track(string taskId)
    {
        if (!_tasks.TryGetValue(taskId, out var tracked))
            _tasks[taskId] = tracked = new TrackedTask(taskId, _memory);
        return tracked;
    }

    private IEnumerable<TrackedTask> OlderThan(TrackedTask after) =>
        NewestLast(_bySubmission.Min!, after) >= 0 ? []
            : _bySubmission.GetViewBetween(_bySubmission.Min, after).Reverse().Where(tracked => NewestLast(tracked, after) < 0);

    private static bool IsElsewhere(TrackedTask tracked, int lane) => tracked.Submission is not null && tracked.Lane != lane;

    private static int NewestLast(TrackedTask left, TrackedTask right)
    {
        var order = left.SubmittedAt.CompareTo(right.SubmittedAt);
        return order != 0 ? order : string.CompareOrdinal(left.TaskId, right.TaskId);
    }
}

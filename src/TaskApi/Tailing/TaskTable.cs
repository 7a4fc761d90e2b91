using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi.Tailing;

/// <summary>
/// All tasks, as the topics tell them. Two tails write (one reads committed, one does not) and requests read, all under one lock: it is held for
/// a record or a page, never across anything that waits. What it cannot slow is the watching itself, which reads the logs without it.
/// </summary>
internal sealed class TaskTable(KafkaCluster cluster, StateFeed feed, TailingMetrics metrics)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, TrackedTask> _tasks = [];
    private readonly SortedSet<TrackedTask> _bySubmission = new(Comparer<TrackedTask>.Create(NewestLast));
    private readonly Lane[] _lanes = [.. Enumerable.Range(0, cluster.Topics.Lanes).Select(_ => new Lane())];
    private HashSet<TaskLog> _changed = [];
    private bool _feedChanged;
    private int _turn;

    /// <summary>Raised each time the tail has read on and has nothing more at hand.</summary>
    public WakeUp ReadOn { get; } = new();

    public void Submitted(TaskSubmission submission, int lane, long offset, DateTimeOffset at)
    {
        lock (_gate)
        {
            Add(submission, lane, offset, at);
            ReadUpTo(_lanes[lane], submissions: offset + 1);
        }
    }

    /// <summary>A submission that Kafka has just acknowledged, so that this replica knows it before its tail has read it.</summary>
    public void Accepted(TaskSubmission submission, int lane, long offset)
    {
        lock (_gate)
            Add(submission, lane, offset, submission.SubmittedAt!.Value);
        WakeWatchers();
    }

    public void StopRequested(ControlRecord record)
    {
        lock (_gate)
        {
            var tracked = Track(record.TaskId);
            Tell(tracked, tracked.RequestStop(record));
        }
    }

    public void Progressed(ProgressRecord record, int laneNumber, long offset)
    {
        lock (_gate)
        {
            var lane = _lanes[laneNumber];
            var isLate = record is AttemptRecord { TaskId: var id } && _tasks.TryGetValue(id, out var known) && (known.IsOver(offset) || IsElsewhere(known, laneNumber));
            switch (isLate ? null : lane.Log.Apply(record, offset))
            {
                case AttemptRecord counted:
                    var tracked = Track(counted.TaskId);
                    Tell(tracked, tracked.Apply(counted, lane.Log.Stories[counted.TaskId]));
                    break;
                case TaskEmitted emitted:
                    var named = Track(emitted.TaskId);
                    named.Emit(emitted, offset);
                    Tell(named, null);
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

    /// <summary>The tail has come so far in a lane, whether or not there was a record that could be used.</summary>
    public void ReadUpTo(int lane, long submissions = 0, long progress = 0)
    {
        lock (_gate)
            ReadUpTo(_lanes[lane], submissions, progress);
    }

    /// <summary>A state that was read is a committed one.</summary>
    public void Ended(TaskState state)
    {
        lock (_gate)
        {
            var tracked = Track(state.TaskId);
            if (tracked.Committed is not null)
                return;
            tracked.Commit(state);
            var lane = _lanes[state.Lane];
            lane.Ending.Enqueue(tracked, state.LogEnd);
            ReadUpTo(lane);
        }
    }

    /// <summary>Ends from before that time wait no longer for their <c>ended</c>: retention has taken it, or nobody wrote one.</summary>
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

    /// <summary>The tail has nothing more at hand: whoever waits for news is woken now, once for all that came together.</summary>
    public void WakeWatchers()
    {
        HashSet<TaskLog>? changed = null;
        bool feedChanged;
        lock (_gate)
        {
            if (_changed.Count > 0)
                (changed, _changed) = (_changed, []);
            (feedChanged, _feedChanged) = (_feedChanged, false);
        }
        foreach (var log in changed ?? [])
            log.Changed.Raise();
        if (feedChanged)
            feed.Changed.Raise();
        ReadOn.Raise();
    }

    /// <summary>Lanes where an end waits for lines.</summary>
    public IReadOnlyList<int> LanesWithEnding()
    {
        lock (_gate)
            return [.. Enumerable.Range(0, _lanes.Length).Where(lane => _lanes[lane].Ending.Count > 0)];
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

    /// <summary>Reads several fields of a task at one moment.</summary>
    public T Read<T>(TrackedTask tracked, Func<TrackedTask, T> read)
    {
        lock (_gate)
            return read(tracked);
    }

    public Watcher Watch(TrackedTask tracked, WatchPlan plan)
    {
        lock (_gate)
            return new Watcher(tracked.TaskId, tracked.Log, tracked.Status, plan);
    }

    /// <summary>How many tasks of its lane come before a task that has not begun; null once it has.</summary>
    public int? QueuePosition(TrackedTask tracked)
    {
        lock (_gate)
            return tracked is { Status: Status.Queued, Attempt: 0 } ? _lanes[tracked.Lane].Unfinished.Keys.TakeWhile(offset => offset < tracked.Offset).Count() : null;
    }

    /// <summary>Up to <paramref name="limit"/> tasks, newest first, from behind a place.</summary>
    public IReadOnlyList<T> Page<T>(TrackedTask? after, int limit, Func<TrackedTask, bool> wanted, Func<TrackedTask, T> read)
    {
        lock (_gate)
        {
            var newestFirst = after is null || _bySubmission.Count == 0 ? _bySubmission.Reverse() : OlderThan(after);
            return [.. newestFirst.Where(wanted).Take(limit).Select(read)];
        }
    }

    /// <summary>The lane with the least to do, in turn among equals. Its load counts from now; <see cref="Arrived"/> must follow.</summary>
    public int ChooseLane()
    {
        lock (_gate)
        {
            _turn = (_turn + 1) % _lanes.Length;
            var lane = Enumerable.Range(0, _lanes.Length).Select(step => (_turn + step) % _lanes.Length).MinBy(candidate => _lanes[candidate].Load);
            _lanes[lane].OnTheirWay++;
            return lane;
        }
    }

    public void Arrived(int lane)
    {
        lock (_gate)
            _lanes[lane].OnTheirWay--;
    }

    private void Add(TaskSubmission submission, int lane, long offset, DateTimeOffset at)
    {
        var tracked = Track(submission.TaskId);
        if (tracked.Submission is not null)
        {
            // Its own record again, a later attempt's, or a double: the first in the lane is the task.
            if (tracked.Lane != lane || (tracked.Offset != offset && submission.Attempt == 1))
                metrics.Skipped(cluster.Topics.Tasks, "double");
            return;
        }
        tracked.Submit(submission, lane, offset, at);
        foreach (var state in tracked.Log.States)   // what was read before the submission could not be told yet
            Tell(tracked, state);
        _bySubmission.Add(tracked);
        if (submission.ReplayOf is { } repeated)
            Track(repeated).RepeatedBy(tracked.TaskId);
        if (!tracked.HasEnded)
            _lanes[lane].Unfinished[offset] = tracked;
    }

    private void ReadUpTo(Lane lane, long submissions = 0, long progress = 0)
    {
        lane.SubmissionsRead = Math.Max(lane.SubmissionsRead, submissions);
        lane.ProgressRead = Math.Max(lane.ProgressRead, progress);
        while (lane.Ending.TryPeek(out var tracked, out var logEnd) && logEnd < lane.ProgressRead)
        {
            var end = tracked.Committed!;
            if (tracked.Submission is null)
            {
                if (lane.SubmissionsRead <= end.Offset)
                    return;
                Add(end.Task, end.Lane, end.Offset, end.Task.SubmittedAt ?? end.At);   // the topic `tasks` has it no more, the state still does
            }
            lane.Ending.Dequeue();
            if (tracked.IsEndRead)
                Finish(tracked, lane);
            else
                lane.Closing.Add(tracked);
        }
    }

    private void Finish(TrackedTask tracked, Lane lane)
    {
        lane.Unfinished.Remove(tracked.Offset);
        Tell(tracked, tracked.Finish());
        lane.Log.Forget(tracked.TaskId);
    }

    private void Tell(TrackedTask tracked, WatchEvent? told)
    {
        _changed.Add(tracked.Log);
        if (told is null || tracked.Submission is not { } submission)
            return;
        feed.Add(told, submission.Project);
        _feedChanged = true;
    }

    private TrackedTask Track(string taskId)
    {
        if (!_tasks.TryGetValue(taskId, out var tracked))
            _tasks[taskId] = tracked = new TrackedTask(taskId);
        return tracked;
    }

    private IEnumerable<TrackedTask> OlderThan(TrackedTask after) =>
        NewestLast(_bySubmission.Min!, after) >= 0 ? [] : _bySubmission.GetViewBetween(_bySubmission.Min, after).Reverse().Where(tracked => NewestLast(tracked, after) < 0);

    private static bool IsElsewhere(TrackedTask tracked, int lane) => tracked.Submission is not null && tracked.Lane != lane;

    private static int NewestLast(TrackedTask left, TrackedTask right)
    {
        var order = left.SubmittedAt.CompareTo(right.SubmittedAt);
        return order != 0 ? order : string.CompareOrdinal(left.TaskId, right.TaskId);
    }
}

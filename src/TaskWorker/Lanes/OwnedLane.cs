using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// One ownership of a lane, from its claim until the group takes it away. If the lane returns, it gets a new object, so work of an earlier ownership
/// is never taken for current work. Only the worker's loop uses it.
/// </summary>
internal sealed class OwnedLane
{
    private readonly Dictionary<string, EndedTask> _ended;         // tasks whose end is committed or decided
    private readonly Dictionary<string, QueuedTask> _tasks = [];
    private readonly SortedSet<long> _open = [];                   // offsets of unfinished records in `tasks`
    private long _readUpTo;

    public OwnedLane(int partition, Claim claim, LaneLog log, Dictionary<string, EndedTask> ended, long next, DateTimeOffset claimedAt)
    {
        (Partition, Claim, Log, _ended, _readUpTo, Committed, ClaimedAt, BarrierAt) = (partition, claim, log, ended, next, next, claimedAt, claimedAt);
    }

    public int Partition { get; }
    public Claim Claim { get; }
    public DateTimeOffset ClaimedAt { get; }
    /// <summary>When the latest barrier was written.</summary>
    public DateTimeOffset BarrierAt { get; set; }

    public LaneLog Log { get; }

    /// <summary>Once false, it stays false.</summary>
    public bool IsOwned { get; private set; } = true;

    /// <summary>Tasks that have not ended, as far as the lane has been read.</summary>
    public IReadOnlyCollection<QueuedTask> Tasks => _tasks.Values;

    /// <summary>Whether fetching its records is paused, because enough of them are in memory.</summary>
    public bool IsPaused { get; set; }

    /// <summary>Attempts that other workers run, or this worker under an earlier claim, with the time of their last record.</summary>
    public Dictionary<KeptAttempt, long> Kept { get; } = [];

    /// <summary>Offset in <c>tasks</c> of the first unfinished record.</summary>
    public long Next => _open.Count > 0 ? _open.Min : _readUpTo;

    /// <summary>The value of <see cref="Next"/> at the last commit.</summary>
    public long Committed { get; set; }

    public void Release() => IsOwned = false;

    public QueuedTask? Find(string taskId) => _tasks.GetValueOrDefault(taskId);

    public bool HasEnded(string taskId) => _ended.ContainsKey(taskId);

    /// <summary>Whether the end of a task names its STOP: then the STOP's record is not needed any more.</summary>
    public bool NamesStop(string taskId) => _ended.TryGetValue(taskId, out var ended) && ended.NamesStop;

    /// <summary>False: the record has already been read.</summary>
    public bool TryRead(long offset)
    {
        if (offset < _readUpTo)
            return false;
        _open.Add(offset);
        _readUpTo = offset + 1;
        return true;
    }

    /// <summary>Whether a record is a duplicate: its task has ended or is here already, or its attempt is in the past.</summary>
    public bool IsDouble(TaskSubmission submission) =>
        _ended.ContainsKey(submission.TaskId) || _tasks.ContainsKey(submission.TaskId) || submission.Attempt < FirstOf(submission.TaskId);

    /// <summary>The attempt that a record in <c>tasks</c> must request: the first after those in the committed state.</summary>
    public int FirstOf(string taskId) => Log.Stories.GetValueOrDefault(taskId)?.Settled + 1 ?? 1;

    public void Add(QueuedTask task) => _tasks.Add(task.TaskId, task);

    /// <summary>A record cannot be handled: removes its task, if there is one.</summary>
    public void Abandon(long offset)
    {
        foreach (var task in _tasks.Values.Where(task => task.Offset == offset).ToList())
            _tasks.Remove(task.TaskId);
    }

    /// <summary>The record is finished.</summary>
    public void Done(long offset) => _open.Remove(offset);

    public void End(QueuedTask task, EndedTask ended)
    {
        _ended[task.TaskId] = ended;
        Log.Forget(task.TaskId);
        Leave(task);
    }

    /// <summary>A decision about a task cannot be written: the task returns, and its record is unfinished again.</summary>
    /// <param name="story">The task's story in the log at the time of the decision.</param>
    public void Reopen(QueuedTask task, TaskStory? story)
    {
        _ended.Remove(task.TaskId);
        if (story is not null)
            Log.Restore(task.TaskId, story);
        _open.Add(task.Offset);
        _tasks.TryAdd(task.TaskId, task);
    }

    /// <summary>The task waits outside of its lane; its next record will request the attempt after these.</summary>
    public void Wait(QueuedTask task, TaskState waiting)
    {
        Log.Settle(waiting);
        Leave(task);
    }

    /// <summary>Removes and returns tasks that ended before a time.</summary>
    public IReadOnlyList<string> TakeEndedBefore(DateTimeOffset time)
    {
        List<string> old = [.. _ended.Where(ended => ended.Value.At < time).Select(ended => ended.Key)];
        foreach (var taskId in old)
            _ended.Remove(taskId);
        return old;
    }

    /// <summary>The lane's record in <c>task-state</c>.</summary>
    public LaneState State(string worker)
    {
        var (from, inForce) = Log.Resume();
        return new LaneState
        {
            Lane = Partition,
            Epoch = Claim.Epoch,
            Owner = Claim.Owner,
            Worker = worker,
            From = from,
            FromEpoch = inForce?.Epoch ?? 0,
            FromOwner = inForce?.Owner,
            Next = Next,
        };
    }

    private void Leave(QueuedTask task)
    {
        _tasks.Remove(task.TaskId);
        Done(task.Offset);
    }
}

/// <param name="NamesStop">Whether the task's state names its STOP.</param>
internal readonly record struct EndedTask(DateTimeOffset At, bool NamesStop);

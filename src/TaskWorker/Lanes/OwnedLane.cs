using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// One ownership of a lane: from its claim until the group takes it away. A lane that comes back is a new one of these, so what began under an
/// earlier ownership can never be taken for the present one's. It belongs to the worker's loop.
/// </summary>
internal sealed class OwnedLane
{
    private readonly Dictionary<string, EndedTask> _ended;         // tasks whose end is written, or about to be
    private readonly Dictionary<string, QueuedTask> _tasks = [];
    private readonly SortedSet<long> _open = [];                   // offsets of records in `tasks` that are not done with
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

    /// <summary>Once false it stays false.</summary>
    public bool IsOwned { get; private set; } = true;

    /// <summary>Tasks that have not ended, as far as the lane was read.</summary>
    public IReadOnlyCollection<QueuedTask> Tasks => _tasks.Values;

    /// <summary>Whether its records are not fetched for now, because enough of them are here.</summary>
    public bool IsPaused { get; set; }

    /// <summary>Attempts that others run, or this worker under an earlier claim → when they were last heard of.</summary>
    public Dictionary<KeptAttempt, long> Kept { get; } = [];

    /// <summary>Offset in <c>tasks</c> of the first record that is not done with.</summary>
    public long Next => _open.Count > 0 ? _open.Min : _readUpTo;

    /// <summary>What <see cref="Next"/> was when it was committed last.</summary>
    public long Committed { get; set; }

    public void Release() => IsOwned = false;

    public QueuedTask? Find(string taskId) => _tasks.GetValueOrDefault(taskId);

    public bool HasEnded(string taskId) => _ended.ContainsKey(taskId);

    /// <summary>Whether the end of a task names its STOP: then that is not needed any more.</summary>
    public bool NamesStop(string taskId) => _ended.TryGetValue(taskId, out var ended) && ended.NamesStop;

    /// <summary>False: the record was here before.</summary>
    public bool TryRead(long offset)
    {
        if (offset < _readUpTo)
            return false;
        _open.Add(offset);
        _readUpTo = offset + 1;
        return true;
    }

    /// <summary>Whether a record asks for what is done, under way, or not the task's next attempt.</summary>
    public bool IsDouble(TaskSubmission submission) =>
        _ended.ContainsKey(submission.TaskId) || _tasks.ContainsKey(submission.TaskId) || submission.Attempt < FirstOf(submission.TaskId);

    /// <summary>The attempt that a record in <c>tasks</c> must ask for: the first behind those that the committed state knows.</summary>
    public int FirstOf(string taskId) => Log.Stories.GetValueOrDefault(taskId)?.Settled + 1 ?? 1;

    public void Add(QueuedTask task) => _tasks.Add(task.TaskId, task);

    /// <summary>What a record asks for cannot be done: there is no task of it, if it was about to become one.</summary>
    public void Abandon(long offset)
    {
        foreach (var task in _tasks.Values.Where(task => task.Offset == offset).ToList())
            _tasks.Remove(task.TaskId);
    }

    /// <summary>The record asks for nothing more.</summary>
    public void Done(long offset) => _open.Remove(offset);

    public void End(QueuedTask task, EndedTask ended)
    {
        _ended[task.TaskId] = ended;
        Log.Forget(task.TaskId);
        Leave(task);
    }

    /// <summary>What was decided about a task cannot be written: it is here again, and its record is not done with.</summary>
    /// <param name="story">What the log told of it when that was decided.</param>
    public void Reopen(QueuedTask task, TaskStory? story)
    {
        _ended.Remove(task.TaskId);
        if (story is not null)
            Log.Restore(task.TaskId, story);
        _open.Add(task.Offset);
        _tasks.TryAdd(task.TaskId, task);
    }

    /// <summary>The task waits outside of its lane; the record that is put back asks for the attempt behind these.</summary>
    public void Wait(QueuedTask task, TaskState waiting)
    {
        Log.Settle(waiting);
        Leave(task);
    }

    /// <summary>Tasks that have ended before a time, and forgets them.</summary>
    public IReadOnlyList<string> TakeEndedBefore(DateTimeOffset time)
    {
        List<string> old = [.. _ended.Where(ended => ended.Value.At < time).Select(ended => ended.Key)];
        foreach (var taskId in old)
            _ended.Remove(taskId);
        return old;
    }

    /// <summary>What <c>task-state</c> says of the lane.</summary>
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

/// <param name="NamesStop">Whether its state names the STOP that was asked for.</param>
internal readonly record struct EndedTask(DateTimeOffset At, bool NamesStop);

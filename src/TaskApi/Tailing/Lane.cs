using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Tailing;

/// <summary>One partition of <c>tasks</c> and its twin in <c>task-progress</c>, as far as they are read. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class Lane(LaneOwner nobody)
{
    public LaneLog Log { get; } = new();

    /// <summary>Tasks that wait in <c>tasks</c> or run, by the offset of their record there. One that waits for its time is not among them.</summary>
    public SortedDictionary<long, TrackedTask> Unfinished { get; } = [];

    /// <summary>Who runs its tasks, as far as that is known.</summary>
    public LaneOwner Owner { get; set; } = nobody;

    /// <summary>Submissions on their way to Kafka: they count as load, or a burst would all go to one lane.</summary>
    public int OnTheirWay { get; set; }

    public int Load => Unfinished.Count + OnTheirWay;

    /// <summary>Up to where <c>tasks</c> was read.</summary>
    public long SubmissionsRead { get; set; }

    /// <summary>Up to where <c>task-progress</c> was read.</summary>
    public long ProgressRead { get; set; }

    /// <summary>Committed states, while lines that they count are still to be read; by <see cref="TaskState.LogEnd"/>.</summary>
    public PriorityQueue<(TrackedTask Tracked, TaskState State), long> Committed { get; } = new();

    /// <summary>Tasks whose end is committed and whose lines are read, while their <c>ended</c> is not: something that was emitted may lie in front of it.</summary>
    public HashSet<TrackedTask> Closing { get; } = [];
}

/// <summary>A worker, as the lanes' logs tell of it. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class LaneOwner(string name)
{
    private const long Long = 200;   // milliseconds; what runs for less is over before a task that is placed now is reached

    private string? _running;
    private long _since;

    public string Name => name;

    /// <summary>Of all its lanes together; made anew each time a lane is chosen.</summary>
    public int Load { get; set; }

    public bool IsOccupied => _running is not null && Environment.TickCount64 - _since > Long;

    public void Runs(string taskId)
    {
        if (_running != taskId)
            (_running, _since) = (taskId, Environment.TickCount64);
    }

    public void RunsNoMore(string taskId)
    {
        if (_running == taskId)
            _running = null;
    }
}

using TaskPipeline.Shared.Lanes;

namespace TaskPipeline.TaskApi.Tailing;

/// <summary>One partition of <c>tasks</c> and its twin in <c>task-progress</c>, as far as they are read. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class Lane
{
    public LaneLog Log { get; } = new();

    /// <summary>Tasks that have not ended, by the offset of their submission.</summary>
    public SortedDictionary<long, TrackedTask> Unfinished { get; } = [];

    /// <summary>Submissions on their way to Kafka: they count as load, or a burst would all go to one lane.</summary>
    public int OnTheirWay { get; set; }

    public int Load => Unfinished.Count + OnTheirWay;

    /// <summary>Up to where <c>tasks</c> was read.</summary>
    public long SubmissionsRead { get; set; }

    /// <summary>Up to where <c>task-progress</c> was read.</summary>
    public long ProgressRead { get; set; }

    /// <summary>Tasks whose end is committed, while lines that it counts are still to be read; by <see cref="Shared.Tasks.TaskState.LogEnd"/>.</summary>
    public PriorityQueue<TrackedTask, long> Ending { get; } = new();

    /// <summary>Tasks whose end is committed and whose lines are read, while their <c>ended</c> is not: something that was emitted may lie in front of it.</summary>
    public HashSet<TrackedTask> Closing { get; } = [];
}

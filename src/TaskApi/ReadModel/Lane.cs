using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// The part that was read of one partition of <c>tasks</c> and the same partition of <c>task-progress</c>. Guarded by the lock of <see cref="TaskTable"/>.
/// </summary>
internal sealed class Lane(LaneOwner nobody)
{
    public LaneLog Log { get; } = new();

    /// <summary>Tasks that are queued or run, by the offset of their record in <c>tasks</c>. A task that waits for its time is not included.</summary>
    public SortedDictionary<long, TrackedTask> Unfinished { get; } = [];

    /// <summary>The worker that runs its tasks, as far as known.</summary>
    public LaneOwner Owner { get; set; } = nobody;

    /// <summary>Submissions being written to Kafka. They count as load; otherwise a burst would all go to one lane.</summary>
    public int OnTheirWay { get; set; }

    public int Load => Unfinished.Count + OnTheirWay;

    /// <summary>The next offset to read in <c>tasks</c>.</summary>
    public long SubmissionsRead { get; set; }

    /// <summary>The next offset to read in <c>task-progress</c>.</summary>
    public long ProgressRead { get; set; }

    /// <summary>Committed states that wait until their last lines have been read; by <see cref="TaskState.LogEnd"/>.</summary>
    public PriorityQueue<(TrackedTask Tracked, TaskState State), long> Committed { get; } = new();

    /// <summary>Tasks whose end is committed and whose lines are read, but not their <c>ended</c>: an emitted event may precede it.</summary>
    public HashSet<TrackedTask> Closing { get; } = [];

    /// <summary>Number of tasks before a queued one.</summary>
    public int PositionOf(TrackedTask queued) => Unfinished.Values.Count(other => IsBefore(other, queued));

    /// <summary>The holder of the concurrency key that a queued task waits for; null if there is none.</summary>
    /// <param name="session">How long a lost attempt may still run without contact to Kafka.</param>
    public KeyHolder? HolderOfKey(TrackedTask queued, DateTimeOffset now, TimeSpan session)
    {
        var (task, key) = (queued.Submission!, queued.Submission!.Concurrency!.Key);
        if (Unfinished.Values.Concat(Closing).FirstOrDefault(other => IsAtWork(other) && task.SharesSlotWith(other.Submission)) is { } holder)
            return new KeyHolder(key, holder.TaskId);
        foreach (var (lost, story) in Log.Stories)
            if (story.Attempts is [.., { Reason: EndReason.WorkerLost, EndedAt: { } lostAt }] && lostAt + session > now)
                return new KeyHolder(key, lost, lostAt + session);
        var before = Unfinished.Values.Where(other => IsBefore(other, queued) && IsReady(other) && task.SharesSlotWith(other.Submission));
        return before.MinBy(Turn) is { } next ? new KeyHolder(key, next.TaskId) : null;
    }

    private static bool IsBefore(TrackedTask other, TrackedTask queued) => other != queued && (IsAtWork(other) || Turn(other).CompareTo(Turn(queued)) < 0);

    private static (Priority, long) Turn(TrackedTask tracked) => (tracked.Submission!.Priority, tracked.Record!.Offset);

    private static bool IsReady(TrackedTask tracked) => tracked is { Status: Status.Queued, Pause: not { Signal: ControlRecord.Pause } };

    private static bool IsAtWork(TrackedTask tracked) =>
        tracked is { Attempt: > 0, Status: Status.Starting or Status.Running or Status.Paused or Status.Stopping };
}

/// <summary>The task that holds what another task waits for.</summary>
/// <param name="Key">The concurrency key.</param>
/// <param name="TaskId">
/// The holder; between two holders, the next one. After a lost attempt, the task of that attempt, which can be the waiting task itself.
/// </param>
/// <param name="Until">An attempt was lost with its worker; until then it may still run.</param>
public sealed record KeyHolder(string Key, string TaskId, DateTimeOffset? Until = null);

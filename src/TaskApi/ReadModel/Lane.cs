using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// One partition of <c>tasks</c> and its twin in <c>task-progress</c>, as far as they are read. Guarded by the lock of <see cref="TaskTable"/>.
/// </summary>
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

    /// <summary>
    /// Tasks whose end is committed and whose lines are read, while their <c>ended</c> is not: something that was emitted may lie in front of it.
    /// </summary>
    public HashSet<TrackedTask> Closing { get; } = [];

    /// <summary>How many tasks come before a queued one.</summary>
    public int PositionOf(TrackedTask queued) => Unfinished.Values.Count(other => IsBefore(other, queued));

    /// <summary>Who has the concurrency key that a queued task waits for; null: nobody.</summary>
    /// <param name="session">For so long an attempt that was lost may live on unheard.</param>
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

/// <summary>The task that has what another one waits for.</summary>
/// <param name="Key">The concurrency key that is waited for.</param>
/// <param name="TaskId">
/// Who has it; while it changes hands, who is next. Of a task whose attempt was lost, that one, also where it is the one that waits.
/// </param>
/// <param name="Until">An attempt was lost with its worker, and until then it may still live where nobody hears it.</param>
public sealed record KeyHolder(string Key, string TaskId, DateTimeOffset? Until = null);

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>A record of <c>task-schedule</c> without its tombstone so far.</summary>
internal sealed class ScheduleEntry(ScheduledTask record, int lane, long offset)
{
    public string Key { get; } = ScheduledTask.Key(record.TaskId, record.Task.Attempt);

    /// <summary>The record that goes to <c>tasks</c>.</summary>
    public TaskSubmission Task => record.Task;

    /// <summary>Null: only a person releases it.</summary>
    public DateTimeOffset? DueAt => record.DueAt;

    public int Lane => lane;
    public long Offset => offset;

    /// <summary>When this replica handles it, if nothing else happens; guarded by the lock of <see cref="Schedule"/>.</summary>
    public DateTimeOffset? TurnAt { get; set; }
}

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>How long an attempt may run, and what it is called when that is over.</summary>
internal readonly record struct AgentLimit(TimeSpan Time, EndReason Reason)
{
    /// <summary>The type's limit, or the task's deadline where that comes first.</summary>
    public static AgentLimit Of(TimeSpan timeLimit, DateTimeOffset? deadline, DateTimeOffset now) =>
        deadline - now < timeLimit ? new(TimeSpan.FromTicks(Math.Max(0, (deadline!.Value - now).Ticks)), EndReason.Deadline) : new(timeLimit, EndReason.TimeLimit);
}

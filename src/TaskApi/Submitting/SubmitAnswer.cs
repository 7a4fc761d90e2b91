using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>The answer to a submission.</summary>
/// <param name="DueAt">When a task that was submitted for later comes into its queue.</param>
public sealed record SubmitAnswer(string TaskId, Status Status, TaskLinks Links, DateTimeOffset? DueAt = null)
{
    /// <summary>Of a replay and a redrive: the type is not what it was for the task that is repeated, so this one may do something else.</summary>
    public bool? TypeChanged { get; init; }

    /// <summary>Hash of the type, as <c>hash</c> in <c>GET /task-types</c>; only where it has changed.</summary>
    public string? TypeHash { get; init; }

    /// <summary>What it was for the task that is repeated; only where it has changed.</summary>
    public string? PreviousTypeHash { get; init; }

    internal static SubmitAnswer Of(TaskSubmission task, Status status, TaskPlace place, DateTimeOffset? dueAt)
    {
        var answer = new SubmitAnswer(task.TaskId, status, TaskLinks.Of(task.TaskId, place), dueAt);
        return task.PreviousTypeHash is null ? answer : answer with { TypeChanged = true, TypeHash = task.TypeHash, PreviousTypeHash = task.PreviousTypeHash };
    }
}

using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>The answer to a submission.</summary>
/// <param name="DueAt">When a task that was submitted for later enters its queue.</param>
public sealed record SubmitAnswer(string TaskId, Status Status, TaskLinks Links, DateTimeOffset? DueAt = null)
{
    /// <summary>For a replay or a redrive: the type has changed since the repeated task, so this task can behave differently.</summary>
    public bool? TypeChanged { get; init; }

    /// <summary>Hash of the type, as <c>hash</c> in <c>GET /task-types</c>; only if it has changed.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The type's hash for the repeated task; only if it has changed.</summary>
    public string? PreviousTypeHash { get; init; }

    internal static SubmitAnswer Of(TaskSubmission task, Status status, TaskPlace place, DateTimeOffset? dueAt)
    {
        var answer = new SubmitAnswer(task.TaskId, status, TaskLinks.Of(task.TaskId, place), dueAt);
        return task.PreviousTypeHash is null ? answer : answer with { TypeChanged = true, TypeHash = task.TypeHash, PreviousTypeHash = task.PreviousTypeHash };
    }
}

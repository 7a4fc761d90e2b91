using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>An attempt to make.</summary>
/// <param name="MustNotOverlap">None of its processes may still run when another worker can run the task, or another task with its key.</param>
internal sealed record AttemptOrder(AttemptId Id, TaskSubmission Submission, TaskType Type, bool MustNotOverlap);

/// <summary>The task cannot be run at all; a retry would not help.</summary>
internal sealed class UnfitException(string message) : Exception(message);

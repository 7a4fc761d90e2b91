using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>An attempt that is to be made.</summary>
/// <param name="MustNotOverlap">Nothing of it may run any more once another worker may run the task, or another task of its key.</param>
internal sealed record AttemptOrder(AttemptId Id, TaskSubmission Submission, TaskType Type, bool MustNotOverlap);

/// <summary>The task cannot be run at all; trying again would not help.</summary>
internal sealed class UnfitException(string message) : Exception(message);

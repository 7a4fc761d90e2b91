using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>Properties of every log line about an attempt.</summary>
internal static class AttemptScope
{
    public static IDisposable? BeginAttempt(this ILogger logger, TaskSubmission task, int attempt, string worker) =>
        logger.BeginScope(new Dictionary<string, object>
        {
            ["task_id"] = task.TaskId,
            ["attempt"] = attempt,
            ["project"] = task.Project,
            ["worker"] = worker,
        });
}

using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Scheduling;

/// <summary>The answer to a release: the task is in its queue.</summary>
public sealed record ReleaseAnswer(string TaskId, Status Status);

/// <summary>Puts a waiting task into its queue: a held task, which only this does, or a task before its time.</summary>
internal static class ReleaseEndpoint
{
    public static async Task<IResult> PostAsync(string id, HttpRequest request, TaskFinder finder, TaskTable table, Schedule schedule, RecordWriter writer)
    {
        var (found, problem) = await finder.FindAsync(id, request.Query, request.HttpContext.RequestAborted);
        if (problem is not null)
            return problem;
        if (table.Read(found!, tracked => tracked.Place) is { IsScheduled: true } place)
            await finder.WaitUntilReadAsync(place, request.HttpContext.RequestAborted);   // a new task is known before its entry is read
        var (status, entry) = table.Read(found!, tracked => (tracked.Status, tracked.Entry));
        if (status is not (Status.Held or Status.Scheduled or Status.RetryWaiting))
            return new Problem(
                StatusCodes.Status409Conflict, $"Task '{id}' is {status.Word()}; only a task that is held, scheduled or retry_waiting can be released");
        if (entry is null)
            return Problem.NotReady("this replica has not read the task's schedule entry yet");
        if (await writer.SubmitAsync(entry.Task, entry.Lane) is not { } offset)
            return Problem.NotTaken("Kafka did not acknowledge the release in time; send it again, repeating it is harmless");
        schedule.MakeDue(entry);   // for its tombstone
        await finder.WaitUntilReadAsync(new TaskPlace(entry.Lane, offset), request.HttpContext.RequestAborted);   // so that the next request sees it queued
        return TypedResults.Accepted((string?)null, new ReleaseAnswer(id, Status.Queued));
    }
}

using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>The answer to a submission.</summary>
/// <param name="DueAt">When a task that was submitted for later comes into its queue.</param>
public sealed record SubmitAnswer(string TaskId, Status Status, TaskLinks Links, DateTimeOffset? DueAt = null);

internal sealed partial class SubmitEndpoint(CatalogueFile catalogue, KafkaCluster cluster, TaskTable table, TaskFinder finder, TaskWriter writer, TimeProvider clock, ILogger<SubmitEndpoint> logger)
{
    public static async Task<IResult> PostAsync(HttpRequest request, SubmitEndpoint endpoint) => await endpoint.SubmitAsync(request);

    private async Task<IResult> SubmitAsync(HttpRequest request)
    {
        var (submission, hasOwnId, problem) = await SubmissionReader.ReadAsync(request, catalogue.Current, clock.GetUtcNow());
        if (problem is not null)
            return problem;
        return hasOwnId ? await SubmitOnceAsync(submission!, request.HttpContext.RequestAborted) : await SubmitNewAsync(submission!);
    }

    private async Task<IResult> SubmitNewAsync(TaskSubmission submission)
    {
        var (task, lane) = table.Place(submission);
        try
        {
            if (await WriteAsync(task, lane) is not { } place)
                return NotTaken();
            table.Accepted(task, place);
            return Taken(task, place);
        }
        finally
        {
            table.Arrived(task, lane);
        }
    }

    /// <summary>
    /// A caller's own id fixes the lane, so that the same id sent to two replicas at once comes to lie in one lane, and the first one there is the task.
    /// Which one that is, this replica knows when it has read its own record back.
    /// </summary>
    private async Task<IResult> SubmitOnceAsync(TaskSubmission submission, CancellationToken cancellationToken)
    {
        if (table.Find(submission.TaskId) is { } known)
            return AnswerFor(known, submission);
        var (task, lane) = PlaceById(submission);
        if (await WriteAsync(task, lane) is not { } place)
            return NotTaken();
        if (!await finder.WaitUntilReadAsync(place, cancellationToken))
            return NotTaken();
        var first = table.Find(task.TaskId)!;
        if (table.Read(first, tracked => tracked.IsFirstAt(place)))
            return Taken(task, place);
        if (place.IsScheduled)
            await writer.ScheduleAsync(EntryOf(first.Submission!), first.Lane);   // compaction keeps the last entry of a key, and the first is the task
        return AnswerFor(first, submission);
    }

    private (TaskSubmission, int Lane) PlaceById(TaskSubmission submission)
    {
        if (submission.Concurrency is not { } concurrency)
            return (submission, KeySlots.LaneOf(submission.TaskId, cluster.Topics.Lanes));
        concurrency = concurrency with { Slot = KeySlots.SlotOf(submission.TaskId, concurrency.Limit) };
        return (submission with { Concurrency = concurrency }, KeySlots.LaneOf(submission.Project, concurrency, cluster.Topics.Lanes));
    }

    /// <summary>Null where Kafka did not take it.</summary>
    private async Task<TaskPlace?> WriteAsync(TaskSubmission task, int lane)
    {
        var isScheduled = task.RunAt is not null;
        var offset = isScheduled ? await writer.ScheduleAsync(EntryOf(task), lane) : await writer.SubmitAsync(task, lane);
        return offset is { } written ? new TaskPlace(lane, written, isScheduled) : null;
    }

    private static ScheduledTask EntryOf(TaskSubmission task) => new() { TaskId = task.TaskId, DueAt = task.RunAt, Task = task };

    private IResult AnswerFor(TrackedTask known, TaskSubmission submission)
    {
        if (!IsSame(known.Submission!, submission))
            return new Problem(StatusCodes.Status409Conflict, $"Task '{submission.TaskId}' exists with another content; choose another task_id or send the same body");
        return TypedResults.Ok(table.Read(known, task => new SubmitAnswer(known.TaskId, task.Status, TaskLinks.Of(known.TaskId, task.Place), task.DueAt)));
    }

    private Accepted<SubmitAnswer> Taken(TaskSubmission task, TaskPlace place)
    {
        var status = place.IsScheduled ? Status.Scheduled : Status.Queued;
        LogAccepted(logger, task.TaskId, status, place.Lane, place.Offset);
        var links = TaskLinks.Of(task.TaskId, place);
        return TypedResults.Accepted(links.Self, new SubmitAnswer(task.TaskId, status, links, task.RunAt));
    }

    private static Problem NotTaken() =>
        new(StatusCodes.Status503ServiceUnavailable, "Kafka did not take the task in time; it may still arrive. Send it with a task_id of your own and you can repeat it safely") { RetryAfter = TimeSpan.FromSeconds(5) };

    /// <summary>Times are not compared: a delay that is sent again would end at another one.</summary>
    private static bool IsSame(TaskSubmission left, TaskSubmission right) =>
        (left.Project, left.Type, left.Command, left.Priority) == (right.Project, right.Type, right.Command, right.Priority)
        && (left.Concurrency?.Key, left.Concurrency?.Limit) == (right.Concurrency?.Key, right.Concurrency?.Limit)
        && SameEntries(left.Params, right.Params, JsonElement.DeepEquals)
        && SameEntries(left.Labels ?? [], right.Labels ?? [], string.Equals);

    private static bool SameEntries<T>(Dictionary<string, T> left, Dictionary<string, T> right, Func<T, T, bool> equal) =>
        left.Count == right.Count && left.All(entry => right.TryGetValue(entry.Key, out var other) && equal(entry.Value, other));

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} {Status} in lane {Lane} at {Offset}")]
    private static partial void LogAccepted(ILogger logger, string taskId, Status status, int lane, long offset);
}

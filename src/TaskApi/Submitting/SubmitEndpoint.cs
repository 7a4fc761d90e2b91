using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Tailing;

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

internal sealed partial class SubmitEndpoint(CatalogueFile catalogue, KafkaCluster cluster, TaskTable table, TaskFinder finder, TaskWriter writer, IOptions<KafkaOptions> kafka, TimeProvider clock, ILogger<SubmitEndpoint> logger)
{
    public static async Task<IResult> PostAsync(HttpRequest request, SubmitEndpoint endpoint) => await endpoint.SubmitAsync(request);

    private async Task<IResult> SubmitAsync(HttpRequest request)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (submission, hasOwnId, problem) = await SubmissionReader.ReadAsync(request, catalogue.Current, clock.GetUtcNow(), kafka.Value.TaskRetention);
        if (problem is not null)
            return problem;
        if (key is null)
            return hasOwnId ? await SubmitOnceAsync(submission!, AnotherContent(submission!.TaskId), request.HttpContext.RequestAborted) : await SubmitNewAsync(submission!);
        if (hasOwnId)
            return Problem.Invalid(new Dictionary<string, string[]> { ["task_id"] = [$"must be left out where there is an {IdempotencyKey.Header}: either one alone makes the call repeatable"] });
        submission = submission! with { TaskId = DerivedId.Of(submission.Project, "submit", key) };
        return await SubmitOnceAsync(submission, IdempotencyKey.UsedOtherwise(key), request.HttpContext.RequestAborted);
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
    /// A caller's own id, or one that is derived, fixes the lane, so that the same id sent to two replicas at once comes to lie in one lane, and the first
    /// one there is the task. Which one that is, this replica knows when it has read its own record back.
    /// </summary>
    /// <param name="otherwise">The answer where the task of this id was made of another body.</param>
    public async Task<IResult> SubmitOnceAsync(TaskSubmission submission, Problem otherwise, CancellationToken cancellationToken)
    {
        if (table.Find(submission.TaskId) is { } known)
            return AnswerFor(known);
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
        return AnswerFor(first);

        IResult AnswerFor(TrackedTask other) => other.Submission!.BodyHash == submission.BodyHash ? Existing(other) : otherwise;
    }

    /// <summary>The answer to who asks for a task that is there already.</summary>
    public IResult Existing(TrackedTask known) =>
        TypedResults.Ok(table.Read(known, task => SubmitAnswer.Of(task.Submission!, task.Status, task.Place, task.DueAt)));

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

    private Accepted<SubmitAnswer> Taken(TaskSubmission task, TaskPlace place)
    {
        var status = place.IsScheduled ? Status.Scheduled : Status.Queued;
        LogAccepted(logger, task.TaskId, status, place.Lane, place.Offset);
        var answer = SubmitAnswer.Of(task, status, place, task.RunAt);
        return TypedResults.Accepted(answer.Links.Self, answer);
    }

    private static Problem NotTaken() =>
        new(StatusCodes.Status503ServiceUnavailable, "Kafka did not take the task in time; it may still arrive. With an Idempotency-Key, or a task_id of your own, it can be sent again safely") { RetryAfter = TimeSpan.FromSeconds(5) };

    private static Problem AnotherContent(string taskId) =>
        new(StatusCodes.Status409Conflict, $"Task '{taskId}' exists with another content; choose another task_id or send the same body");

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} {Status} in lane {Lane} at {Offset}")]
    private static partial void LogAccepted(ILogger logger, string taskId, Status status, int lane, long offset);
}

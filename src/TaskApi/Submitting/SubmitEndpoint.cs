using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>The answer to a submission.</summary>
public sealed record SubmitAnswer(string TaskId, Status Status, TaskLinks Links);

internal sealed partial class SubmitEndpoint(CatalogueFile catalogue, KafkaCluster cluster, TaskTable table, TaskFinder finder, TaskWriter writer, TimeProvider clock, ILogger<SubmitEndpoint> logger)
{
    public static async Task<IResult> PostAsync(HttpRequest request, SubmitEndpoint endpoint) => await endpoint.SubmitAsync(request);

    private async Task<IResult> SubmitAsync(HttpRequest request)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (submission, hasOwnId, problem) = await SubmissionReader.ReadAsync(request, catalogue.Current);
        if (problem is not null)
            return problem;
        submission = submission! with { SubmittedAt = clock.GetUtcNow() };
        if (key is null)
            return hasOwnId ? await SubmitOnceAsync(submission, AnotherContent(submission.TaskId), request.HttpContext.RequestAborted) : await SubmitNewAsync(submission);
        if (hasOwnId)
            return Problem.Invalid(new Dictionary<string, string[]> { ["task_id"] = [$"must be left out where there is an {IdempotencyKey.Header}: either one alone makes the call repeatable"] });
        submission = submission with { TaskId = DerivedId.Of(submission.Project, "submit", key) };
        return await SubmitOnceAsync(submission, IdempotencyKey.UsedOtherwise(key), request.HttpContext.RequestAborted);
    }

    private async Task<IResult> SubmitNewAsync(TaskSubmission submission)
    {
        var lane = table.ChooseLane();
        try
        {
            if (await writer.SubmitAsync(submission, lane) is not { } offset)
                return NotTaken();
            table.Accepted(submission, lane, offset);
            return Taken(submission.TaskId, lane, offset);
        }
        finally
        {
            table.Arrived(lane);
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
            return known.Submission!.BodyHash == submission.BodyHash ? Existing(known) : otherwise;
        var lane = (int)(BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(submission.TaskId))) % (uint)cluster.Topics.Lanes);
        if (await writer.SubmitAsync(submission, lane) is not { } offset)
            return NotTaken();
        if (!await finder.WaitUntilReadAsync(lane, offset, cancellationToken))
            return NotTaken();
        var first = table.Find(submission.TaskId)!;
        return first.Lane == lane && first.Offset == offset ? Taken(submission.TaskId, lane, offset)
            : first.Submission!.BodyHash == submission.BodyHash ? Existing(first)
            : otherwise;
    }

    /// <summary>The answer to who asks for a task that is there already.</summary>
    public IResult Existing(TrackedTask known) =>
        TypedResults.Ok(new SubmitAnswer(known.TaskId, table.Read(known, task => task.Status), TaskLinks.Of(known.TaskId, known.Lane, known.Offset)));

    private Accepted<SubmitAnswer> Taken(string taskId, int lane, long offset)
    {
        LogAccepted(logger, taskId, lane, offset);
        var links = TaskLinks.Of(taskId, lane, offset);
        return TypedResults.Accepted(links.Self, new SubmitAnswer(taskId, Status.Queued, links));
    }

    private static Problem NotTaken() =>
        new(StatusCodes.Status503ServiceUnavailable, "Kafka did not take the task in time; it may still arrive. With an Idempotency-Key, or a task_id of your own, it can be sent again safely") { RetryAfter = TimeSpan.FromSeconds(5) };

    private static Problem AnotherContent(string taskId) =>
        new(StatusCodes.Status409Conflict, $"Task '{taskId}' exists with another content; choose another task_id or send the same body");

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} queued in lane {Lane} at {Offset}")]
    private static partial void LogAccepted(ILogger logger, string taskId, int lane, long offset);
}

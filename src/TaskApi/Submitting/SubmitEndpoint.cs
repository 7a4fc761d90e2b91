using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
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
        var (submission, hasOwnId, problem) = await SubmissionReader.ReadAsync(request, catalogue.Current);
        if (problem is not null)
            return problem;
        submission = submission! with { SubmittedAt = clock.GetUtcNow() };
        return hasOwnId ? await SubmitOnceAsync(submission, request.HttpContext.RequestAborted) : await SubmitNewAsync(submission);
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
    /// A caller's own id fixes the lane, so that the same id sent to two replicas at once comes to lie in one lane, and the first one there is the task.
    /// Which one that is, this replica knows when it has read its own record back.
    /// </summary>
    private async Task<IResult> SubmitOnceAsync(TaskSubmission submission, CancellationToken cancellationToken)
    {
        if (table.Find(submission.TaskId) is { } known)
            return AnswerFor(known, submission);
        var lane = (int)(BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(submission.TaskId))) % (uint)cluster.Topics.Lanes);
        if (await writer.SubmitAsync(submission, lane) is not { } offset)
            return NotTaken();
        if (!await finder.WaitUntilReadAsync(lane, offset, cancellationToken))
            return NotTaken();
        var first = table.Find(submission.TaskId)!;
        return first.Lane == lane && first.Offset == offset ? Taken(submission.TaskId, lane, offset) : AnswerFor(first, submission);
    }

    private IResult AnswerFor(TrackedTask known, TaskSubmission submission)
    {
        if (!IsSame(known.Submission!, submission))
            return new Problem(StatusCodes.Status409Conflict, $"Task '{submission.TaskId}' exists with another content; choose another task_id or send the same body");
        return TypedResults.Ok(new SubmitAnswer(known.TaskId, table.Read(known, task => task.Status), TaskLinks.Of(known.TaskId, known.Lane, known.Offset)));
    }

    private Accepted<SubmitAnswer> Taken(string taskId, int lane, long offset)
    {
        LogAccepted(logger, taskId, lane, offset);
        var links = TaskLinks.Of(taskId, lane, offset);
        return TypedResults.Accepted(links.Self, new SubmitAnswer(taskId, Status.Queued, links));
    }

    private static Problem NotTaken() =>
        new(StatusCodes.Status503ServiceUnavailable, "Kafka did not take the task in time; it may still arrive. Send it with a task_id of your own and you can repeat it safely") { RetryAfter = TimeSpan.FromSeconds(5) };

    private static bool IsSame(TaskSubmission left, TaskSubmission right) =>
        (left.Project, left.Type, left.Command) == (right.Project, right.Type, right.Command)
        && SameEntries(left.Params, right.Params, JsonElement.DeepEquals)
        && SameEntries(left.Labels ?? [], right.Labels ?? [], string.Equals);

    private static bool SameEntries<T>(Dictionary<string, T> left, Dictionary<string, T> right, Func<T, T, bool> equal) =>
        left.Count == right.Count && left.All(entry => right.TryGetValue(entry.Key, out var other) && equal(entry.Value, other));

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} queued in lane {Lane} at {Offset}")]
    private static partial void LogAccepted(ILogger logger, string taskId, int lane, long offset);
}

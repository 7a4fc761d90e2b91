using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>Writes tasks to Kafka, for submissions, replays and redrives, and makes the answer.</summary>
internal sealed partial class Submissions(TaskTable table, TaskFinder finder, RecordWriter writer, ILogger<Submissions> logger)
{
    /// <summary>Submits a task with a random id, which cannot be submitted a second time.</summary>
    public async Task<IResult> SubmitNewAsync(TaskSubmission submission)
    {
        var (task, lane) = table.Placement.Choose(submission);
        try
        {
            if (await WriteAsync(task, lane) is not { } place)
                return NotTaken();
            table.Accepted(task, place);
            return Taken(task, place);
        }
        finally
        {
            table.Placement.Arrived(task, lane);
        }
    }

    /// <summary>
    /// Submits a task with an id from its caller or a derived id. The id determines the lane, so the same id sent to two replicas at once gets into
    /// one lane, where the first record is the task. This replica knows which is first once it has read its own record back.
    /// </summary>
    /// <param name="otherwise">The answer if the task with this id was submitted with another body.</param>
    public async Task<IResult> SubmitOnceAsync(TaskSubmission submission, Problem otherwise, CancellationToken cancellationToken)
    {
        if (table.Find(submission.TaskId) is { } known)
            return AnswerFor(known);
        var (task, lane) = table.Placement.ById(submission);
        if (await WriteAsync(task, lane) is not { } place)
            return NotTaken();
        if (!await finder.WaitUntilReadAsync(place, cancellationToken))
            return NotTaken();
        var first = table.Find(task.TaskId)!;
        if (table.Read(first, tracked => tracked.IsFirstAt(place)))
            return Taken(task, place);
        if (place.IsScheduled)
            await writer.ScheduleAsync(EntryOf(first.Submission!), first.Lane);   // compaction keeps a key's last entry, but the first one is the task
        return AnswerFor(first);

        IResult AnswerFor(TrackedTask other) => other.Submission!.BodyHash == submission.BodyHash ? Existing(other) : otherwise;
    }

    /// <summary>The answer for a task that exists already.</summary>
    public IResult Existing(TrackedTask known) =>
        TypedResults.Ok(table.Read(known, task => SubmitAnswer.Of(task.Submission!, task.Status, task.Place, task.DueAt)));

    /// <summary>Null: Kafka did not acknowledge it.</summary>
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
        Problem.NotTaken(
            "Kafka did not acknowledge the task in time; it may still arrive. With an Idempotency-Key, or a task_id of your own, it can be sent again safely");

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} {Status} in lane {Lane} at {Offset}")]
    private static partial void LogAccepted(ILogger logger, string taskId, Status status, int lane, long offset);
}

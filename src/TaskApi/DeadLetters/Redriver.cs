using System.Globalization;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Repeating;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>
/// Lets a new task go on in the place of a dead one. Its id follows from the dead one's and the number of the redrive, so that who asks twice, at
/// whichever replica, and after whatever crash in between, gets one new task.
/// </summary>
internal sealed partial class Redriver(
    DeadLetterTable letters, TaskTable table, TaskFinder finder, TaskRepeater repeater, Submissions submissions, RecordWriter writer, TimeProvider clock,
        ILogger<Redriver> logger)
{
    public async Task<IResult> RedriveAsync(string id, RepeatTask body, string? key, string requestedBy, CancellationToken cancellationToken)
    {
        while (true)
        {
            var entry = letters.Find(id)!;
            if (entry.Letter.Task is not { } task)
                return new Problem(
                    StatusCodes.Status409Conflict, $"Dead letter '{id}' is a record that nobody could read; submit what it should have been, and discard it");
            if (entry.Letter.LeftOut?.Contains(StateParts.Params) == true && body.Params is null)
                return new Problem(
                    StatusCodes.Status409Conflict,
                    $"The params of dead letter '{id}' were more than Kafka takes in its record, and are not here: redrive it with params, or submit "
                    + "the task again");
            var named = key is null ? null : DerivedId.Of(id, "redrive", "key", key);
            if (entry.Redrives is [.., var latest] && (named is null || !entry.Redrives.Contains(named))
                && await FindAsync(latest, cancellationToken) is { } last && !table.Read(last, found => found.HasEnded))
                return body.Params is null || last.Submission!.BodyHash == body.Hash ? submissions.Existing(last) : StillGoing(id, latest);
            var (again, refused) = repeater.Again(task, body);
            if (refused is not null)
                return refused;

            var seq = entry.Redrives.Count + 1;
            var redrive = again! with { TaskId = named ?? DerivedId.Of(
                id, "redrive", seq.ToString(CultureInfo.InvariantCulture)), RedriveOf = id, RedriveSeq = seq };
            var otherwise = key is null ? StillGoing(id, redrive.TaskId) : IdempotencyKey.UsedOtherwise(key);
            var answer = await submissions.SubmitOnceAsync(redrive, otherwise, cancellationToken);
            if (answer is Problem && answer != otherwise)
                return answer;
            if (!await RecordAsync(entry, redrive, requestedBy))
                return Problem.NotTaken(
                    $"Kafka has task '{redrive.TaskId}', but did not take in time that it was redriven; send this again, which leaves it at one task");
            if (answer != otherwise || key is not null)
                return answer;
            // That number was taken, by somebody who did not live to record it or who is at it now: what is known now decides.
        }
    }

    /// <summary>False: Kafka did not take it.</summary>
    private async Task<bool> RecordAsync(DeadLetterEntry entry, TaskSubmission redrive, string requestedBy)
    {
        if (entry.Redrives.Contains(redrive.TaskId))
            return true;
        var resolution = new DeadLetterResolution
        {
            TaskId = entry.Id,
            Action = DeadLetterAction.Redriven,
            NewTaskId = redrive.TaskId,
            RedriveSeq = redrive.RedriveSeq,
            RequestedBy = requestedBy,
            At = clock.GetUtcNow(),
        };
        if (!await writer.ResolveAsync(resolution))
            return false;
        letters.Add(resolution);   // this replica need not read it back to know it
        LogRedriven(logger, entry.Id, redrive.TaskId, requestedBy);
        return true;
    }

    /// <summary>
    /// Its record is older than that of its redrive, but in another topic, which may be read later. What is not found in time is no longer kept, so
    /// it has ended.
    /// </summary>
    private async Task<TrackedTask?> FindAsync(string taskId, CancellationToken cancellationToken)
    {
        await finder.WaitUntilAsync(() => table.Find(taskId) is not null, cancellationToken);
        return table.Find(taskId);
    }

    private static Problem StillGoing(string id, string taskId) =>
        new(StatusCodes.Status409Conflict, $"Dead letter '{id}' was redriven with other params as task '{taskId}', which has not ended; stop it or "
            + "wait for its end");

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} is redriven as {NewTaskId}, requested by {RequestedBy}")]
    private static partial void LogRedriven(ILogger logger, string taskId, string newTaskId, string requestedBy);
}

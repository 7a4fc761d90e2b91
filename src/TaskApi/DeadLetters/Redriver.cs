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
/// Submits a new task in place of a dead one. The new id is derived from the dead task's id and the number of the redrive. So a request that is
/// repeated, on any replica and after any crash, creates one new task.
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
                    StatusCodes.Status409Conflict, $"Dead letter '{id}' is a record that could not be read; submit the intended task and discard this");
            if (entry.Letter.LeftOut?.Contains(StateParts.Params) == true && body.Params is null)
                return new Problem(
                    StatusCodes.Status409Conflict,
                    $"The params of dead letter '{id}' were too large for its record and were left out: send params with the redrive, or submit "
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
                    $"Kafka has task '{redrive.TaskId}', but did not acknowledge its redrive record in time; send this again, it creates no second task");
            if (answer != otherwise || key is not null)
                return answer;
            // Another request has used that number: it is in progress, or its process died before it recorded the redrive. The loop decides again
            // with what is known now.
        }
    }

    /// <summary>False: Kafka did not acknowledge it.</summary>
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
        letters.Add(resolution);   // known at once, without reading it back from Kafka
        LogRedriven(logger, entry.Id, redrive.TaskId, requestedBy);
        return true;
    }

    /// <summary>
    /// Waits until the redrive's task has been read: it is in another topic, which this replica may read later. A task that is not found in time is
    /// no longer kept, so it has ended.
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

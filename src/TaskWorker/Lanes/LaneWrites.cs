using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>The records that the owner of a lane writes for a decision about a task; they are committed together.</summary>
internal sealed class LaneWrites(Topics topics)
{
    private const int MostRawBytes = 1024 * 1024;   // base64 adds a third
    private const int ShortRawBytes = 256;

    // Limit for the texts of a STOP, as in the API: other producers can send longer ones, and the end's record must have room.
    private const int LongestText = 1000;

    /// <param name="stop">The STOP in force for the task.</param>
    public IReadOnlyList<CommitRecord> End(QueuedTask task, TaskStory? story, Decision.End end, ControlRecord? stop, DateTimeOffset now)
    {
        var attempts = Attempts(story, end.Class);
        var state = new TaskState
        {
            TaskId = task.TaskId,
            Status = end.Status,
            Reason = end.Reason,
            ExitCode = end.ExitCode,
            Signal = end.Signal,
            Error = end.Error,
            Result = story?.Outcome?.Result,
            ResultAt = story?.Outcome?.ResultAt,
            ResultLeftOut = story?.Outcome?.ResultLeftOut,
            Class = end.Class,
            DeadLettered = end.IsDeadLettered,
            Stop = stop is null ? null : stop with
            {
                RequestedBy = Beginning.Of(stop.RequestedBy, LongestText),
                Reason = Beginning.Of(stop.Reason, LongestText),
                IdempotencyKey = Beginning.Of(stop.IdempotencyKey, LongestText),
            },
            Attempt = attempts is [.., var last] ? last.Attempt : 0,
            Attempts = attempts,
            Task = task.Submission,
            Lane = task.Lane.Partition,
            Offset = task.Offset,
            LogEnd = story?.LogEnd ?? -1,
            At = now,
        };
        var ended = new TaskEnded
        {
            Epoch = task.Lane.Claim.Epoch,
            Owner = task.Lane.Claim.Owner,
            TaskId = task.TaskId,
            Attempt = state.Attempt,
            Status = end.Status,
            Reason = end.Reason,
            ExitCode = end.ExitCode,
            At = now,
            Update = end.Status.EndText(),
        };
        List<CommitRecord> records =
        [
            new(topics.Progress, task.Lane.Partition, task.TaskId, TaskJson.Encode(ended)),
            new(topics.State, task.Lane.Partition, task.TaskId, Reduction.Fit(task.Reductions, level => TaskJson.Encode(Reduction.Of(state, level)))),
        ];
        if (!end.IsDeadLettered)
            return records;
        var letter = new DeadLetter
        {
            TaskId = task.TaskId,
            Error = end.Error ?? "",
            Reason = end.Reason,
            Class = end.Class,
            ExitCode = end.ExitCode,
            OutputTail = story?.Outcome?.Error,
            Task = task.Submission,
            Lane = task.Lane.Partition,
            Offset = task.Offset,
            Attempts = attempts,
            At = now,
        };
        records.Add(new(topics.DeadLetters, 0, task.TaskId, Reduction.Fit(task.Reductions, level => TaskJson.Encode(Reduction.Of(letter, level)))));
        return records;
    }

    /// <summary>The state of a task that waits outside of its lane, and the schedule entry that brings it back.</summary>
    public (TaskState State, IReadOnlyList<CommitRecord> Records) Wait(QueuedTask task, TaskStory story, Decision.Wait wait, DateTimeOffset now)
    {
        var state = new TaskState
        {
            TaskId = task.TaskId,
            Status = wait.Until is null ? Status.Held : Status.RetryWaiting,
            Reason = wait.Reason,
            ExitCode = story.Attempts[^1].ExitCode,
            Signal = story.Attempts[^1].Signal,
            Error = wait.Error,
            Class = wait.Class,
            DueAt = wait.Until,
            Attempt = story.Attempts[^1].Attempt,
            Attempts = Attempts(story, wait.Class),
            Task = task.Submission,
            Lane = task.Lane.Partition,
            Offset = task.Offset,
            LogEnd = story.LogEnd,
            At = now,
        };
        var next = new ScheduledTask { TaskId = task.TaskId, DueAt = wait.Until, Task = task.Submission with { Attempt = story.NextAttempt } };
        return (state,
        [
            new(topics.State, task.Lane.Partition, task.TaskId, Reduction.Fit(task.Reductions, level => TaskJson.Encode(Reduction.Of(state, level)))),
            new(topics.Schedule, task.Lane.Partition, ScheduledTask.Key(task.TaskId, story.NextAttempt), TaskJson.Encode(next)),
        ]);
    }

    /// <summary>The dead letter of a record that cannot be run, so that it does not block its lane.</summary>
    /// <param name="isShort">Keep little more than the record's place.</param>
    public CommitRecord Unreadable(OwnedLane lane, ConsumeResult<byte[]?, byte[]?> record, string error, DateTimeOffset now, bool isShort)
    {
        var raw = record.Message.Value ?? [];
        var most = isShort ? ShortRawBytes : MostRawBytes;
        return new(topics.DeadLetters, 0, null, TaskJson.Encode(new DeadLetter
        {
            Error = isShort ? Beginning.Shown(error, Reduction.ShortText) : error,
            Raw = Convert.ToBase64String(raw.AsSpan(0, Math.Min(raw.Length, most))),
            RawBytes = raw.Length,
            LeftOut = raw.Length > most ? [StateParts.Raw] : null,
            Lane = lane.Partition,
            Offset = record.Offset.Value,
            At = now,
        }));
    }

    private static IReadOnlyList<AttemptSummary> Attempts(TaskStory? story, FailureClass? failureClass) =>
        story is not { Attempts: [.., var last] } ? []
            : failureClass is null ? [.. story.Attempts]
            : [.. story.Attempts.SkipLast(1), last with { Class = failureClass }];
}

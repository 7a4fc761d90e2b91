using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>What the owner of a lane does with a task now. Depends only on the log, the task's type, its STOP and the time.</summary>
internal abstract record Decision
{
    private Decision()
    {
    }

    /// <summary>Its next attempt can start.</summary>
    public sealed record Run(int Attempt) : Decision;

    /// <summary>An attempt of it is running.</summary>
    public sealed record GoesOn : Decision;

    /// <summary>It cannot be decided yet.</summary>
    public sealed record Undecided : Decision;

    /// <summary>It leaves its lane until then; null: until a person releases it.</summary>
    public sealed record Wait(DateTimeOffset? Until, EndReason Reason, string Error) : Decision
    {
        public FailureClass? Class { get; init; }
    }

    public sealed record End(Status Status, EndReason Reason) : Decision
    {
        public int? ExitCode { get; init; }
        public string? Signal { get; init; }
        public string? Error { get; init; }
        public FailureClass? Class { get; init; }
        public bool IsDeadLettered { get; init; }
    }

    /// <param name="stop">The STOP in force for the task.</param>
    /// <param name="chance">Random, from 0 to 1, for the jitter of a wait.</param>
    public static Decision Of(QueuedTask task, TaskStory? story, ControlRecord? stop, DateTimeOffset now, double chance)
    {
        var retry = task.Type?.Retry ?? new RetryPolicy();
        if (story is { IsOpen: true })
            return new GoesOn();
        if (story?.Outcome is { } outcome)
            return After(outcome, story, retry, stop, task.Submission.Deadline, now, chance);
        if (stop is not null)
            return new End(Status.Stopped, EndReason.UserRequest);
        if (task.Submission.Deadline <= now)
            return Overdue(task.Submission.Deadline.Value);
        if (story is { Attempts: [.., { Reason: EndReason.WorkerLost } lost] } && lost.Attempt > story.Settled && AfterLoss(story, retry) is { } follows)
            return follows;
        if (story is not { Attempts.Count: > 0 } && task.Submission.StartBy <= now)
            return new End(Status.Expired, EndReason.StartBy) { Error = $"it had not started by {task.Submission.StartBy:O}" };
        if (WhyUnfit(task) is not { } unfit)
            return new Run(story?.NextAttempt ?? 1);
        return HasFitted(task, story) ? Outgrown(unfit) : Refused(unfit);
    }

    /// <summary>It cannot be run, now or later.</summary>
    public static End Refused(string error) => new(Status.Failed, EndReason.SpawnFailed) { Error = error, Class = FailureClass.Permanent };

    /// <summary>Its type's rules cannot be applied: the task ends as its attempt did, or without one.</summary>
    public static Decision Unjudged(TaskStory? story, string error) =>
        story is { IsOpen: true } ? new GoesOn()
        : story?.Outcome is not { } outcome ? Refused($"the rules of its type cannot be applied: {error}")
        : EndOf(outcome);

    /// <summary>Null: its params match its current type.</summary>
    private static string? WhyUnfit(QueuedTask task)
    {
        if (task.Type is null)
            return $"there is no task type '{task.Submission.Type}'{(task.Submission.Command is null ? "" : $" with command '{task.Submission.Command}'")}";
        return task.Type.Validate(task.Submission.Params) is [_, ..] errors
            ? string.Join("; ", errors.Select(error => $"{error.Field} {error.Message}"))
            : null;
    }

    /// <summary>Whether it matched its type when it was accepted, or has run: then the type has changed.</summary>
    private static bool HasFitted(QueuedTask task, TaskStory? story) =>
        story is { Attempts.Count: > 0 } || (task.Submission.TypeHash is { } accepted && accepted != task.Type?.Hash);

    /// <summary>This is not the task's failure, so it goes to the dead letters, where a person can redrive it with other params.</summary>
    private static End Outgrown(string unfit) => new(Status.Failed, EndReason.TypeChanged)
    {
        Error = $"its type has changed since the task was submitted: {unfit}; redrive it with params that match, or after the type is restored",
        Class = FailureClass.Transient,
        IsDeadLettered = true,
    };

    private static Decision After(
        AttemptExited outcome, TaskStory story, RetryPolicy retry, ControlRecord? stop, DateTimeOffset? deadline, DateTimeOffset now, double chance)
    {
        var end = EndOf(outcome);
        if (end.Status is not (Status.Failed or Status.TimedOut) || outcome.Reason == EndReason.Deadline)
            return end;
        var (then, failureClass) = retry.Judge(outcome);
        end = end with { Class = failureClass };
        if (then == AfterFailure.End)
            return end;
        if (then == AfterFailure.DeadLetter || story.Charged >= retry.Attempts)
            return end with { IsDeadLettered = then == AfterFailure.DeadLetter || retry.Attempts > 1 };
        if (stop is not null)
            return new End(Status.Stopped, EndReason.UserRequest);
        if (deadline <= now)
            return Overdue(deadline.Value);
        var due = now + retry.Backoff.Wait(story.Charged, chance);
        return new Wait(due < deadline || deadline is null ? due : deadline, outcome.Reason, outcome.Error ?? "") { Class = failureClass };
    }

    private static End EndOf(AttemptExited outcome) => new(StatusRules.EndOf(outcome.Reason, outcome.ExitCode), outcome.Reason)
    {
        ExitCode = outcome.ExitCode,
        Signal = outcome.Signal,
        Error = outcome.Error,
    };

    /// <summary>Null: it runs again.</summary>
    private static Decision? AfterLoss(TaskStory story, RetryPolicy retry)
    {
        var why = story.Attempts[^1].Error ?? "its worker was lost";
        Decision lost = new End(Status.Failed, EndReason.WorkerLost)
        {
            Class = FailureClass.Terminated,
            IsDeadLettered = retry.OnLost == OnLost.Retry,
            Error = retry.OnLost == OnLost.Retry
                ? $"{story.Lost} attempts were lost, which is the limit; the last one because {why}"
                : $"{why}, and its type does not allow another run after that",
        };
        return retry.OnLost switch
        {
            OnLost.Hold =>
                new Wait(null, EndReason.WorkerLost, $"{why}, and its type leaves the decision to a person: release it, or stop it")
                {
                    Class = FailureClass.Terminated,
                },
            OnLost.Retry when story.Lost < retry.Lost => null,
            _ => lost,
        };
    }

    private static End Overdue(DateTimeOffset deadline) => new(Status.TimedOut, EndReason.Deadline) { Error = $"it had not ended by {deadline:O}" };
}

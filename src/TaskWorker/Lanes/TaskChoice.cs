using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>Chooses which of the waiting tasks is next.</summary>
/// <param name="session">After it nobody else's agent lives any more that this worker does not know of.</param>
internal sealed class TaskChoice(TimeSpan session)
{
    private long _turn;

    /// <summary>
    /// The next task among all that wait here: the highest priority first, the oldest of it, whose key is free. Each fourth choice is the oldest of
    /// all, so that no priority starves another.
    /// </summary>
    /// <param name="isPaused">Whether a PAUSE is in force for a task.</param>
    /// <returns>Null: there is none, and no turn has passed.</returns>
    public QueuedTask? Next(IEnumerable<OwnedLane> lanes, Predicate<string> isPaused, DateTimeOffset now)
    {
        var byAgeAlone = _turn % 4 == 3;
        var chosen = lanes.SelectMany(lane => lane.Tasks)
            .Where(task => !task.IsRunning && task.Unplaced is null && task.NotBefore <= now && !isPaused(task.TaskId) && IsFree(task, now))
            .MinBy(task => (byAgeAlone ? Priority.High : task.Submission.Priority, task.Submission.SubmittedAt, task.Offset));
        if (chosen is not null)
            _turn++;
        return chosen;
    }

    /// <summary>
    /// A key's slot has one lane, so whoever owns that knows what runs with it. After a loss, or while it does not know yet what the attempts are that go
    /// on elsewhere, a session must pass: nobody else's agent with the key lives then.
    /// </summary>
    private bool IsFree(QueuedTask task, DateTimeOffset now)
    {
        if (task.Submission.Concurrency is null)
            return true;
        var lane = task.Lane;
        if (now < lane.ClaimedAt + session
            && lane.Log.Stories.Values.Any(story => story.Attempts.Any(attempt => attempt.Reason == EndReason.WorkerLost && attempt.EndedAt + session > now)))
            return false;
        return lane.Kept.Keys.All(kept => lane.Find(kept.TaskId) is { } known && !known.Submission.SharesSlotWith(task.Submission));
    }
}

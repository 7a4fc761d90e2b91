using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>Chooses the next of the waiting tasks.</summary>
/// <param name="session">After this time no agent of another worker still runs that this worker does not know.</param>
internal sealed class TaskChoice(TimeSpan session)
{
    private long _turn;

    /// <summary>
    /// The next of all waiting tasks: of those with a free key, the highest priority first, then the oldest. Each fourth choice is the oldest of all,
    /// so that no priority starves.
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
    /// A key's slot has one lane, so the lane's owner knows what runs with it. After a loss, or while it does not know the attempts that continue
    /// elsewhere, it waits for a session: after that no other agent with the key is running.
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

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Lanes;

/// <summary>
/// The rules of a lane's log in <c>task-progress</c>. Workers and API replicas apply the same records in the same order, and so agree on which
/// records count. It uses neither Kafka nor a clock, and is not thread-safe: one reader owns it.
/// </summary>
public sealed class LaneLog
{
    /// <summary>
    /// Each claim adds one to the epoch, so no owner ever reaches this. A larger epoch was not written by an owner and is void: otherwise one such
    /// barrier would close its lane for ever.
    /// </summary>
    public const long MostEpoch = 1L << 30;

    private readonly Dictionary<string, TaskStory> _stories = [];
    private HashSet<KeptAttempt> _kept = [];

    public LaneLog(Claim? inForce = null) => InForce = inForce;

    /// <summary>The claim whose records count now; null if no barrier was read.</summary>
    public Claim? InForce { get; private set; }

    /// <summary>The worker of that claim.</summary>
    public string? Owner { get; private set; }

    /// <summary>The offset after the last applied record.</summary>
    public long EndOfLog { get; private set; }

    public IReadOnlyDictionary<string, TaskStory> Stories => _stories;

    /// <summary>
    /// Applies the next record of the lane and returns it if it counts; lines that were already there are removed from a batch. Null: the record is
    /// void, late or a duplicate.
    /// </summary>
    public ProgressRecord? Apply(ProgressRecord record, long offset)
    {
        EndOfLog = Math.Max(EndOfLog, offset + 1);
        switch (record)
        {
            case LaneBarrier barrier:
                return Raise(barrier) ? barrier : null;
            case AttemptRecord attempt:
                if (!IsHeard(attempt))
                    return null;
                return StoryOf(attempt.TaskId).Apply(attempt, offset, InForce);
            case AttemptsSnapshot snapshot when IsInForce(snapshot):
                StoryOf(snapshot.TaskId).Apply(snapshot, offset, InForce);
                return snapshot;
            case AttemptsSnapshot:
                return null;
            case TaskEnded ended:
                return IsInForce(ended) ? ended : null;   // only a hint; the committed state decides
            default:
                return record;   // it needs no claim
        }
    }

    /// <summary>A committed state of a waiting task: it contains all attempts so far, so their records are not needed any more.</summary>
    public void Settle(TaskState waiting) => StoryOf(waiting.TaskId).Settle(waiting);

    /// <summary>
    /// A snapshot to write (the caller sets its time), so that a task's story outlives its records; null if the committed state has everything.
    /// </summary>
    public AttemptsSnapshot? Snapshot(string taskId) => _stories.GetValueOrDefault(taskId)?.Snapshot(taskId, InForce, EndOfLog);

    /// <summary>The task has ended: its story is not needed any more.</summary>
    public void Forget(string taskId) => _stories.Remove(taskId);

    /// <summary>A decision about a task could not be written: restores its story from before.</summary>
    public void Restore(string taskId, TaskStory story) => _stories[taskId] = story;

    /// <summary>Running attempts that continue although their claim may have ended: handed over, or kept before.</summary>
    public IEnumerable<KeptAttempt> HandedOver =>
        _stories.Where(story => story.Value is { IsOpen: true, IsHandedOver: true })
            .Select(story => new KeptAttempt(story.Key, story.Value.Attempts[^1].Attempt));

    /// <summary>Where a later owner must start reading to know every unended task, and the claim in force there.</summary>
    public (long From, Claim? InForce) Resume()
    {
        var earliest = _stories.Values.Where(story => story.From is not null).MinBy(story => story.From);
        return earliest is null ? (EndOfLog, InForce) : (earliest.From!.Value, earliest.InForce);
    }

    private TaskStory StoryOf(string taskId)
    {
        if (!_stories.TryGetValue(taskId, out var story))
            _stories[taskId] = story = new TaskStory();
        return story;
    }

    private bool Raise(LaneBarrier barrier)
    {
        var claim = new Claim(barrier.Epoch, barrier.Owner);
        if (claim.Epoch > MostEpoch || (InForce is { } current && claim.Epoch < current.Epoch))
            return false;
        InForce = claim;
        Owner = barrier.Worker;
        _kept = [.. barrier.Keeps];
        foreach (var (taskId, story) in _stories)
            if (story.IsOpen && !story.BeganUnder(claim) && !_kept.Contains(new KeptAttempt(taskId, story.Attempts[^1].Attempt)))
                story.Lose(barrier.At);
        return true;
    }

    private bool IsHeard(AttemptRecord record) => IsInForce(record) || _kept.Contains(new KeptAttempt(record.TaskId, record.Attempt));

    private bool IsInForce(ClaimedRecord record) =>
        InForce is not { } claim
        || (record.Epoch > claim.Epoch && record.Epoch <= MostEpoch)   // retention has removed its barrier
        || (record.Epoch == claim.Epoch && record.Owner == claim.Owner);
}

/// <summary>
/// One ownership of a lane. Epochs rise; without transactions they may not be unique, so a random owner distinguishes claims, and the later barrier wins.
/// </summary>
public readonly record struct Claim(long Epoch, string Owner);

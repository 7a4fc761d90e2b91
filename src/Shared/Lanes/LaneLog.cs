using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Lanes;

/// <summary>
/// The rules of a lane's log in <c>task-progress</c>: records in, their meaning out. Workers and API replicas feed it the same records in the
/// same order and so agree on what counts. It knows no Kafka and no clock, and is not thread-safe: one reader owns it.
/// </summary>
public sealed class LaneLog
{
    /// <summary>
    /// Each claim is one more than the last, so none ever comes to this. What says so was not written by an owner, and is void: else one such barrier
    /// would close its lane for good.
    /// </summary>
    public const long MostEpoch = 1L << 30;

    private readonly Dictionary<string, TaskStory> _stories = [];
    private HashSet<KeptAttempt> _kept = [];

    public LaneLog(Claim? inForce = null) => InForce = inForce;

    /// <summary>The claim whose records count now; null where no barrier was seen.</summary>
    public Claim? InForce { get; private set; }

    /// <summary>The worker that made it.</summary>
    public string? Owner { get; private set; }

    /// <summary>Offset behind the last record that was taken.</summary>
    public long EndOfLog { get; private set; }

    public IReadOnlyDictionary<string, TaskStory> Stories => _stories;

    /// <summary>
    /// Takes the next record of the lane and answers it if it counts. A batch of lines comes back without those that were there already;
    /// null: the record is void, late or a double.
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
                return IsInForce(ended) ? ended : null;   // a hint; the committed state decides
            default:
                return record;   // it needs no claim
        }
    }

    /// <summary>A committed state of a task that waits: it tells of all attempts so far, and their records are not needed any more.</summary>
    public void Settle(TaskState waiting) => StoryOf(waiting.TaskId).Settle(waiting);

    /// <summary>
    /// What is to be written, with the time it is written at, so that the story of a task outlives the records it was read from; null where the
    /// committed state knows all.
    /// </summary>
    public AttemptsSnapshot? Snapshot(string taskId) => _stories.GetValueOrDefault(taskId)?.Snapshot(taskId, InForce, EndOfLog);

    /// <summary>The task has ended: its story is not needed any more.</summary>
    public void Forget(string taskId) => _stories.Remove(taskId);

    /// <summary>What was decided about a task could not be written: its story is what it was before.</summary>
    public void Restore(string taskId, TaskStory story) => _stories[taskId] = story;

    /// <summary>Attempts that go on although they may have begun under an earlier claim: handed over, or kept before.</summary>
    public IEnumerable<KeptAttempt> HandedOver =>
        _stories.Where(story => story.Value is { IsOpen: true, IsHandedOver: true })
            .Select(story => new KeptAttempt(story.Key, story.Value.Attempts[^1].Attempt));

    /// <summary>Where a later owner must begin to read to know every unended task, and the claim in force there.</summary>
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
        || (record.Epoch > claim.Epoch && record.Epoch <= MostEpoch)   // its barrier has outlived its retention
        || (record.Epoch == claim.Epoch && record.Owner == claim.Owner);
}

/// <summary>
/// One ownership of a lane. Epochs rise; where no transaction makes them unique, the random owner tells claims apart and the later barrier wins.
/// </summary>
public readonly record struct Claim(long Epoch, string Owner);

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Lanes;

/// <summary>
/// The rules of a lane's log in <c>task-progress</c>: records in, their meaning out. Workers and API replicas feed it the same records in the
/// same order and so agree on what counts. It knows no Kafka and no clock, and is not thread-safe: one reader owns it.
/// </summary>
public sealed class LaneLog
{
    private readonly Dictionary<string, TaskStory> _stories = [];
    private HashSet<KeptAttempt> _kept = [];

    public LaneLog(Claim? inForce = null) => InForce = inForce;

    /// <summary>The claim whose records count now; null where no barrier was seen.</summary>
    public Claim? InForce { get; private set; }

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
                var claim = new Claim(barrier.Epoch, barrier.Owner);
                if (InForce is { } current && claim.Epoch < current.Epoch)
                    return null;
                InForce = claim;
                _kept = [.. barrier.Keeps];
                return barrier;
            case AttemptRecord attempt:
                if (!IsHeard(attempt))
                    return null;
                if (!_stories.TryGetValue(attempt.TaskId, out var story))
                    _stories[attempt.TaskId] = story = new TaskStory(offset, InForce);
                return story.Apply(attempt, offset);
            default:
                return record;   // `ended` is a hint; the committed state decides
        }
    }

    /// <summary>The task has ended: its story is not needed any more.</summary>
    public void Forget(string taskId) => _stories.Remove(taskId);

    /// <summary>Where a later owner must begin to read to know every unended task, and the claim in force there.</summary>
    public (long From, Claim? InForce) Resume()
    {
        var earliest = _stories.Values.MinBy(story => story.From);
        return earliest is null ? (EndOfLog, InForce) : (earliest.From, earliest.InForce);
    }

    private bool IsHeard(AttemptRecord record) =>
        InForce is not { } claim
        || (record.Epoch == claim.Epoch && record.Owner == claim.Owner)
        || _kept.Contains(new KeptAttempt(record.TaskId, record.Attempt));
}

/// <summary>One ownership of a lane. Epochs rise; where no transaction makes them unique, the random owner tells claims apart and the later barrier wins.</summary>
public readonly record struct Claim(long Epoch, string Owner);

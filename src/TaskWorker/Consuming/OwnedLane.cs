using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Consuming;

/// <summary>
/// One ownership of a lane: from its claim until the group takes it away. A lane that comes back is a new one of these, so work that began
/// under an earlier ownership can never be taken for the present one's.
/// </summary>
internal sealed class OwnedLane(int partition, Claim claim, LaneLog log, HashSet<string> ended, long next)
{
    private volatile bool _isOwned = true;

    public int Partition { get; } = partition;
    public Claim Claim { get; } = claim;

    /// <summary>Owned by the running task while there is one of this lane, else by the consume loop.</summary>
    public LaneLog Log { get; } = log;

    /// <summary>Tasks of this lane whose end is committed.</summary>
    public HashSet<string> Ended { get; } = ended;

    /// <summary>Offset in <c>tasks</c> of the first task that may not have ended.</summary>
    public long Next { get; set; } = next;

    /// <summary>Once false it stays false.</summary>
    public bool IsOwned => _isOwned;

    public void Release() => _isOwned = false;

    /// <summary>What <c>task-state</c> says of the lane.</summary>
    public LaneState State(string worker)
    {
        var (from, inForce) = Log.Resume();
        return new LaneState
        {
            Lane = Partition,
            Epoch = Claim.Epoch,
            Owner = Claim.Owner,
            Worker = worker,
            From = from,
            FromEpoch = inForce?.Epoch ?? 0,
            FromOwner = inForce?.Owner,
            Next = Next,
        };
    }
}

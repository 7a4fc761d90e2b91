namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>The workers, by name, as owners of lanes. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class LaneOwners
{
    private readonly Dictionary<string, LaneOwner> _owners = [];

    /// <summary>Of lanes whose owner is not known.</summary>
    public LaneOwner Nobody { get; } = new("");

    public LaneOwner Named(string worker)
    {
        if (!_owners.TryGetValue(worker, out var owner))
            _owners[worker] = owner = new LaneOwner(worker);
        return owner;
    }
}

/// <summary>A worker, as the lanes' logs tell of it. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class LaneOwner(string name)
{
    private const long Long = 200;   // milliseconds; what runs for less is over before a task that is placed now is reached

    private string? _running;
    private long _since;

    public string Name => name;

    /// <summary>Of all its lanes together; made anew each time a lane is chosen.</summary>
    public int Load { get; set; }

    public bool IsOccupied => _running is not null && Environment.TickCount64 - _since > Long;

    public void Runs(string taskId)
    {
        if (_running != taskId)
            (_running, _since) = (taskId, Environment.TickCount64);
    }

    public void RunsNoMore(string taskId)
    {
        if (_running == taskId)
            _running = null;
    }
}

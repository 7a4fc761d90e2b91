namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>The workers, by name, as owners of lanes. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class LaneOwners
{
    private readonly Dictionary<string, LaneOwner> _owners = [];

    /// <summary>Stands for the unknown owner of a lane.</summary>
    public LaneOwner Nobody { get; } = new("");

    public LaneOwner Named(string worker)
    {
        if (!_owners.TryGetValue(worker, out var owner))
            _owners[worker] = owner = new LaneOwner(worker);
        return owner;
    }
}

/// <summary>A worker, as seen in the lanes' logs. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class LaneOwner(string name)
{
    private const long Long = 200;   // milliseconds; a task that has run for less is assumed to end before a new task's turn

    private string? _running;
    private long _since;

    public string Name => name;

    /// <summary>Sum over all its lanes; computed each time a lane is chosen.</summary>
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

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>The latest heartbeat of every worker that has not left.</summary>
internal sealed class WorkerTable
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, WorkerHeartbeat> _workers = new(StringComparer.Ordinal);

    public void Beat(WorkerHeartbeat heartbeat)
    {
        lock (_gate)
            _workers[heartbeat.Worker] = heartbeat;
    }

    public void Left(string worker)
    {
        lock (_gate)
            _workers.Remove(worker);
    }

    /// <summary>Workers whose heartbeat is not older than that, by name.</summary>
    public IReadOnlyList<WorkerHeartbeat> Since(DateTimeOffset time)
    {
        lock (_gate)
            return [.. _workers.Values.Where(heartbeat => heartbeat.At >= time)];
    }
}

using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// Collects what has changed since the last wake-up. Watchers are woken once for all changes of a burst, when the tail that read them has no more
/// records at hand.
/// </summary>
internal sealed class Changes(StateFeed feed)
{
    private readonly Lock _gate = new();
    private HashSet<TaskLog> _logs = [];
    private bool _hasFeedChanged;

    /// <summary>Raised each time a tail has read records and has no more at hand.</summary>
    public ChangeSignal ReadOn { get; } = new();

    /// <param name="watchEvent">What watchers of states are sent; null: nothing.</param>
    /// <param name="project">Null while the task's submission is unknown; then nothing is sent.</param>
    public void Add(TaskLog log, WatchEvent? watchEvent, string? project)
    {
        lock (_gate)
        {
            _logs.Add(log);
            if (watchEvent is null || project is null)
                return;
            feed.Add(watchEvent, project);
            _hasFeedChanged = true;
        }
    }

    /// <summary>Wakes the watchers of everything that has changed.</summary>
    public void Publish()
    {
        HashSet<TaskLog>? logs = null;
        bool hasFeedChanged;
        lock (_gate)
        {
            if (_logs.Count > 0)
                (logs, _logs) = (_logs, []);
            (hasFeedChanged, _hasFeedChanged) = (_hasFeedChanged, false);
        }
        foreach (var log in logs ?? [])
            log.Changed.Raise();
        if (hasFeedChanged)
            feed.Changed.Raise();
        ReadOn.Raise();
    }
}

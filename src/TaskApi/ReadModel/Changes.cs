using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// What has changed since watchers were woken the last time. They are woken once for all that came together, when the tail that brought it has nothing more
/// at hand.
/// </summary>
internal sealed class Changes(StateFeed feed)
{
    private readonly Lock _gate = new();
    private HashSet<TaskLog> _logs = [];
    private bool _hasFeedChanged;

    /// <summary>Raised each time a tail has read on and has nothing more at hand.</summary>
    public ChangeSignal ReadOn { get; } = new();

    /// <param name="told">What watchers of states are sent; null: nothing.</param>
    /// <param name="project">Null while the task's submission is not known; nothing is sent then.</param>
    public void Add(TaskLog log, WatchEvent? told, string? project)
    {
        lock (_gate)
        {
            _logs.Add(log);
            if (told is null || project is null)
                return;
            feed.Add(told, project);
            _hasFeedChanged = true;
        }
    }

    /// <summary>Wakes those who wait for what has changed.</summary>
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

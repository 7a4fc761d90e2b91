using System.Collections.Concurrent;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>What other threads have for the worker's loop to do; everything the loop owns is touched in its turns alone.</summary>
internal sealed class Inbox : IDisposable
{
    private readonly BlockingCollection<Action> _actions = [];

    public void Post(Action action) => _actions.Add(action);

    /// <summary>Does what is there; where nothing is, waits for something to come.</summary>
    public void Work(TimeSpan wait)
    {
        if (!_actions.TryTake(out var action, wait))
            return;
        do
            action();
        while (_actions.TryTake(out action));
    }

    public void Dispose() => _actions.Dispose();
}

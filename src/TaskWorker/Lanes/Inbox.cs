using System.Collections.Concurrent;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>Actions from other threads for the worker's loop. Everything that the loop owns is used only in its turns.</summary>
internal sealed class Inbox : IDisposable
{
    private readonly BlockingCollection<Action> _actions = [];

    public void Post(Action action) => _actions.Add(action);

    /// <summary>Runs all waiting actions; if there are none, waits for one.</summary>
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

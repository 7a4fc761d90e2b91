using Microsoft.AspNetCore.SignalR;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// The state events that each SignalR connection subscribes to. SignalR's own groups are not used: a send to a group either waits for its slowest
/// member or queues without limit for it. Here each subscribed connection has a loop that pulls from the <see cref="StateFeed"/> with one message in
/// flight. A stalled member delays nobody and holds no memory; when it continues, it gets the number of missed events.
/// </summary>
internal sealed class StateSubscriptions(StateFeed feed, IHubContext<TaskHub> hub)
{
    public const string All = "all";
    private const int MostGroups = 1000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, HashSet<string>> _groups = [];   // connection → its groups

    public void Add(string connectionId, string group, CancellationToken connectionAborted)
    {
        lock (_gate)
        {
            if (_groups.TryGetValue(connectionId, out var groups))
            {
                if (groups.Count >= MostGroups)
                    throw new HubException($"429: a connection can subscribe to at most {MostGroups} groups");
                groups.Add(group);
                return;
            }
            _groups[connectionId] = [group];
        }
        // the loop ends with the connection
        _ = SendAllAsync(connectionId, new StateWatcher(feed, (found, project) => IsFor(connectionId, found, project)), connectionAborted);
    }

    public void Remove(string connectionId, string group)
    {
        lock (_gate)
        {
            if (_groups.TryGetValue(connectionId, out var groups))
                groups.Remove(group);
        }
    }

    public void Forget(string connectionId)
    {
        lock (_gate)
            _groups.Remove(connectionId);
    }

    private async Task SendAllAsync(string connectionId, StateWatcher watcher, CancellationToken connectionAborted)
    {
        var client = hub.Clients.Client(connectionId);
        try
        {
            while (!connectionAborted.IsCancellationRequested)
            {
                while (await watcher.NextAsync(connectionAborted) is { } next)
                {
                    if (next is FeedEvent { Count: { } missed })
                        await client.SendAsync("missed", missed, connectionAborted);
                    else
                        await client.SendAsync("state", next, connectionAborted);
                }
                await watcher.WaitAsync(Timeout.InfiniteTimeSpan, connectionAborted);
            }
        }
        catch (OperationCanceledException) when (connectionAborted.IsCancellationRequested)
        {
        }
    }

    private bool IsFor(string connectionId, WatchEvent found, string? project)
    {
        lock (_gate)
            return _groups.TryGetValue(connectionId, out var groups)
                && (groups.Contains(All) || groups.Contains("task:" + found.TaskId) || (project is not null && groups.Contains("project:" + project)));
    }
}

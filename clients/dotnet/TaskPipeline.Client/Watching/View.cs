using System.Runtime.CompilerServices;

namespace TaskPipeline.Client;

/// <summary>One watcher of many tasks. After a reconnection the replica sends the events that were missed, as far as it still has them.</summary>
internal sealed class View(Server server, ViewOptions options)
{
    private string? _place = options.From;

    public async IAsyncEnumerable<WatchEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connections = new WatchConnections(
            server, () => "watch" + Query.Of(("project", options.Project), ("from", _place)), () => _place, WatchEventReader.ReadOfView, options.MaxWait, options.OnConnectionLost);
        while (await connections.NextAsync(cancellationToken) is { } next)
        {
            _place = next.Place ?? _place;
            yield return next;
        }
    }
}

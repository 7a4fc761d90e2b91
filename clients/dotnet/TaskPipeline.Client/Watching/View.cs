using System.Runtime.CompilerServices;

namespace TaskPipeline.Client;

/// <summary>One watcher of many tasks. A replica tells it what it has missed while it was away, as far as it knows.</summary>
internal sealed class View(Server server, ViewOptions options)
{
    private string? _place = options.From;

    public async IAsyncEnumerable<WatchEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connections = new WatchConnections(
            server, () => "watch" + Query.Of(("project", options.Project), ("from", _place)), () => _place, WatchEventReader.ReadOfView, options.MaxWait, options.OnConnectionLost);
        while (await connections.NextAsync(cancellationToken) is { } told)
        {
            _place = told.Place ?? _place;
            yield return told;
        }
    }
}

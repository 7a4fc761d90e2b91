using System.Net;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>Bounds how many watch at a time, in all and from one address.</summary>
internal sealed class WatchLimit(IOptions<ApiOptions> options)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _byClient = [];
    private int _total;

    /// <summary>To be disposed when the watching is over; null, with a sentence: there are too many.</summary>
    public IDisposable? Enter(IPAddress? client, out string? refusal)
    {
        client ??= IPAddress.None;   // a connection that has no address, such as a Unix socket
        lock (_lock)
        {
            var watching = _byClient.GetValueOrDefault(client);
            refusal = _total >= options.Value.MaxWatchers ? $"this replica has {_total} watchers already, the most it takes (Api:MaxWatchers)"
                : watching >= options.Value.MaxWatchersPerClient
                    ? $"{client} has {watching} watchers here already, the most one client may have (Api:MaxWatchersPerClient)"
                : null;
            if (refusal is not null)
                return null;
            _total++;
            _byClient[client] = watching + 1;
        }
        return new Entry(this, client);
    }

    private void Leave(IPAddress client)
    {
        lock (_lock)
        {
            _total--;
            if (--_byClient[client] == 0)
                _byClient.Remove(client);
        }
    }

    private sealed class Entry(WatchLimit limit, IPAddress client) : IDisposable
    {
        private bool _hasLeft;

        public void Dispose()
        {
            if (!Interlocked.Exchange(ref _hasLeft, true))
                limit.Leave(client);
        }
    }
}

using System.Net;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>Limits the number of watchers, in total and per address.</summary>
internal sealed class WatchLimit(IOptions<ApiOptions> options)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _byClient = [];
    private int _total;

    /// <summary>Returns an entry to dispose when the watch ends; null with a sentence if there are too many watchers.</summary>
    public IDisposable? Enter(IPAddress? client, out string? refusal)
    {
        client ??= IPAddress.None;   // a connection without an address, such as a Unix socket
        lock (_lock)
        {
            var watching = _byClient.GetValueOrDefault(client);
            refusal = _total >= options.Value.MaxWatchers ? $"this replica already has {_total} watchers, its limit (Api:MaxWatchers)"
                : watching >= options.Value.MaxWatchersPerClient
                    ? $"{client} already has {watching} watchers here, the limit per client (Api:MaxWatchersPerClient)"
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

using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// A watcher under stress: it starts at any place, cuts its connection or reads nothing for a while, and reconnects to another replica over another transport,
/// with its cursor. It notices missing and duplicate lines, and at the end proves that it has all lines.
/// </summary>
/// <param name="places">Cursors of the task, with the last line before each. A watcher can begin with any cursor that any watcher has received.</param>
/// <param name="replicas">The replicas of the API, now and later.</param>
internal sealed class SoakWatcher(string taskId, ConcurrentQueue<(string Cursor, long Seq)> places, IReadOnlyDictionary<int, Uri> replicas, Random random) : IDisposable
{
    private const int MostPlaces = 50;
    private const int MostTail = 500;
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(25);   // SSE has a heartbeat every 15 s; the other transports have lines
    private static readonly TimeSpan LongestStay = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestStall = TimeSpan.FromSeconds(15);     // the API closes after 10
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly OutputHash _hash = new();
    private WatchStart _start;
    private long? _seq;         // the last line; null: none yet, and any line can be the first
    private bool _isWhole;      // it began with the first line
    private bool _hasEnd;

    public int Connections { get; private set; }

    public long Lines { get; private set; }

    /// <summary>What is wrong; null: nothing.</summary>
    public string? Violation { get; private set; }

    /// <param name="joinsIn">How long to wait before its first connection.</param>
    public async Task WatchAsync(TimeSpan joinsIn, CancellationToken stop)
    {
        await Task.Delay(joinsIn * random.NextDouble(), stop);
        Choose();
        while (!_hasEnd && Violation is null && !stop.IsCancellationRequested)
        {
            using var leaving = CancellationTokenSource.CreateLinkedTokenSource(stop);
            leaving.CancelAfter(LongestStay * random.NextDouble());
            try
            {
                Connections++;
                await FollowAsync(WatchTransport.All[random.Next(WatchTransport.All.Count)], leaving.Token);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException or WebSocketException or OperationCanceledException)
            {
                // It has cut its connection, or the replica has ended.
            }
            if (!_hasEnd)
                await Task.Delay(LongestPause * random.NextDouble(), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (!_hasEnd)
            Violation ??= $"did not receive the end; the last line was {_seq?.ToString(CultureInfo.InvariantCulture) ?? "none"}";
    }

    public void Dispose() => _hash.Dispose();

    private void Choose()
    {
        var place = places.ElementAtOrDefault(random.Next(Math.Max(1, places.Count)));
        (_start, _seq) = random.Next(4) switch
        {
            0 => (new WatchStart(null, "from=now"), null),
            1 => (new WatchStart(null, $"tail={random.Next(1, MostTail)}"), null),
            2 when place.Cursor is not null => (new WatchStart(place.Cursor), (long?)place.Seq),
            _ => (new WatchStart(null), 0),
        };
        _isWhole = _seq == 0;
    }

    private async Task FollowAsync(Func<Uri, string, WatchStart, CancellationToken, IAsyncEnumerable<JsonElement>> transport, CancellationToken leaving)
    {
        var stallsIn = random.Next(4) == 0 ? random.Next(1, 500) : -1;   // events
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(leaving);
        silence.CancelAfter(LongestSilence);
        await foreach (var next in transport(replicas[random.Next(replicas.Count)], taskId, _start, silence.Token))
        {
            Take(next);
            if (_hasEnd || Violation is not null)
                return;
            silence.CancelAfter(LongestSilence);
            if (stallsIn-- == 0)
                await Task.Delay(LongestStall * random.NextDouble(), leaving);
        }
    }

    private void Take(JsonElement next)
    {
        if (next.TryGetProperty("cursor", out var cursor))
            _start = new WatchStart(cursor.GetString());
        switch (next.GetProperty("type").GetString())
        {
            case "lines":
                foreach (var line in next.GetProperty("lines").EnumerateArray())
                    Take(line.GetProperty("seq").GetInt64(), line.GetProperty("text").GetString()!);
                places.Enqueue((_start.Cursor!, _seq!.Value));
                while (places.Count > MostPlaces)
                    places.TryDequeue(out _);
                break;
            case "gap":
                Violation ??= $"received a gap: {next}";
                break;
            case "end":
                _hasEnd = true;
                if (next.GetProperty("lines").GetInt64() is var lines && _seq is { } seq && seq != lines)
                    Violation ??= $"has line {seq} as its last, the end says {lines}";
                else if (_isWhole && next.GetProperty("hash").GetString() != _hash.ToString())
                    Violation ??= "has another hash than the end";
                break;
        }
    }

    private void Take(long seq, string text)
    {
        if (_seq is { } before && seq != before + 1)
            Violation ??= $"received line {seq} after line {before}";
        (_seq, Lines) = (seq, Lines + 1);
        if (_isWhole)
            _hash.Add(new OutputLine(seq, OutputStream.Stdout, text, default));
    }
}

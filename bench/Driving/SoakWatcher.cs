using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// A watcher with a hard life: it joins at a place of its own, cuts its connection or takes nothing for a while, and comes back elsewhere, over another transport,
/// with the cursor that it has. It notices whether a line is missing or came twice, and at the end proves that it has all.
/// </summary>
/// <param name="places">Cursors of the task, with the last line before each: what any watcher has seen, any may begin with.</param>
/// <param name="replicas">Those of the API that are there, or will be.</param>
internal sealed class SoakWatcher(string taskId, ConcurrentQueue<(string Cursor, long Seq)> places, IReadOnlyDictionary<int, Uri> replicas, Random random) : IDisposable
{
    private const int MostPlaces = 50;
    private const int MostTail = 500;
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(25);   // a heartbeat of SSE comes each 15 s; elsewhere lines do
    private static readonly TimeSpan LongestStay = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LongestStall = TimeSpan.FromSeconds(15);     // the API closes after 10
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly OutputHash _hash = new();
    private WatchStart _start;
    private long? _seq;         // the last line that came; null: none so far, and any may be the first
    private bool _isWhole;      // it began with the first line
    private bool _hasEnd;

    public int Connections { get; private set; }

    public long Lines { get; private set; }

    /// <summary>What went wrong; null: nothing.</summary>
    public string? Violation { get; private set; }

    /// <param name="joinsIn">After so long it comes for the first time.</param>
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
                // It has left, or the replica is gone.
            }
            if (!_hasEnd)
                await Task.Delay(LongestPause * random.NextDouble(), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (!_hasEnd)
            Violation ??= $"was not told of the end; the last line was {_seq?.ToString(CultureInfo.InvariantCulture) ?? "none"}";
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
        await foreach (var told in transport(replicas[random.Next(replicas.Count)], taskId, _start, silence.Token))
        {
            Take(told);
            if (_hasEnd || Violation is not null)
                return;
            silence.CancelAfter(LongestSilence);
            if (stallsIn-- == 0)
                await Task.Delay(LongestStall * random.NextDouble(), leaving);
        }
    }

    private void Take(JsonElement told)
    {
        if (told.TryGetProperty("cursor", out var cursor))
            _start = new WatchStart(cursor.GetString());
        switch (told.GetProperty("type").GetString())
        {
            case "lines":
                foreach (var line in told.GetProperty("lines").EnumerateArray())
                    Take(line.GetProperty("seq").GetInt64(), line.GetProperty("text").GetString()!);
                places.Enqueue((_start.Cursor!, _seq!.Value));
                while (places.Count > MostPlaces)
                    places.TryDequeue(out _);
                break;
            case "gap":
                Violation ??= $"was told of a gap: {told}";
                break;
            case "end":
                _hasEnd = true;
                if (told.GetProperty("lines").GetInt64() is var lines && _seq is { } seq && seq != lines)
                    Violation ??= $"has line {seq} as its last, the end says {lines}";
                else if (_isWhole && told.GetProperty("hash").GetString() != _hash.ToString())
                    Violation ??= "has another hash than the end says";
                break;
        }
    }

    private void Take(long seq, string text)
    {
        if (_seq is { } before && seq != before + 1)
            Violation ??= $"was told line {seq} behind {before}";
        (_seq, Lines) = (seq, Lines + 1);
        if (_isWhole)
            _hash.Add(new OutputLine(seq, OutputStream.Stdout, text, default));
    }
}

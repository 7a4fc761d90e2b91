using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using TaskPipeline.Bench.Chaos.Checking;

namespace TaskPipeline.Bench.Chaos;

/// <summary>Follows one task to its end by server-sent events. After a lost connection it continues at the next replica, from its last cursor.</summary>
internal sealed class ChaosWatcher(string taskId, Func<HttpClient> nextReplica)
{
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(20);   // there is a heartbeat every 15 s
    private static readonly TimeSpan BeforeNextTry = TimeSpan.FromMilliseconds(200);

    private readonly List<JsonElement> _events = [];
    private string? _cursor;
    private bool _hasEnd;

    public async Task<Watched> WatchAsync(CancellationToken stop)
    {
        while (!_hasEnd && !stop.IsCancellationRequested)
        {
            using var silence = CancellationTokenSource.CreateLinkedTokenSource(stop);
            try
            {
                await FollowAsync(silence);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException or OperationCanceledException)
            {
                // The replica is down, frozen or cut off, or the run is over.
            }
            if (!_hasEnd)
                await Task.Delay(BeforeNextTry, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return new Watched(taskId, _events);
    }

    private async Task FollowAsync(CancellationTokenSource silence)
    {
        silence.CancelAfter(LongestSilence);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/tasks/{taskId}/events");
        if (_cursor is not null)
            request.Headers.Add("Last-Event-ID", _cursor);
        using var answer = await nextReplica().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
        if (answer.StatusCode != HttpStatusCode.OK)
            return;   // this replica does not know the task yet
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(silence.Token));
        string? id = null, data = null;
        while (!_hasEnd && await lines.ReadLineAsync(silence.Token) is { } line)
        {
            silence.CancelAfter(LongestSilence);
            if (line.StartsWith("id: ", StringComparison.Ordinal))
                id = line["id: ".Length..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
                data = line["data: ".Length..];
            else if (line.Length == 0 && data is not null)
            {
                _events.Add(JsonElement.Parse(data));
                (_cursor, _hasEnd, data) = (id, _events[^1].Text("type") == "end", null);
            }
        }
    }
}

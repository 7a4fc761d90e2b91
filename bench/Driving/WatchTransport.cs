using System.Net;
using System.Net.ServerSentEvents;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace TaskPipeline.Bench.Driving;

/// <summary>Where a watch begins: after a cursor, or as the query says.</summary>
internal readonly record struct WatchStart(string? Cursor, string Query = "");

/// <summary>The transports of a watch. Each returns the events as they arrive, and ends or throws with the connection.</summary>
internal static class WatchTransport
{
    private static readonly HttpClient Http = new(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = int.MaxValue }) { Timeout = Timeout.InfiniteTimeSpan };

    public static readonly IReadOnlyList<Func<Uri, string, WatchStart, CancellationToken, IAsyncEnumerable<JsonElement>>> All = [SocketAsync, EventsAsync, HubAsync];

    /// <summary>A watch socket. The cursor in its close reason is returned as an event of the type <c>closed</c>.</summary>
    private static async IAsyncEnumerable<JsonElement> SocketAsync(Uri api, string taskId, WatchStart start, [EnumeratorCancellation] CancellationToken stop)
    {
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{api.Authority}/tasks/{taskId}/watch?{QueryOf(start)}"), stop);
        await foreach (var message in MessagesAsync(socket, stop))
            yield return JsonElement.Parse(message);
        if ((int?)socket.CloseStatus is 1001 or 4008)
            yield return JsonSerializer.SerializeToElement(new { type = "closed", cursor = socket.CloseStatusDescription });
    }

    private static async IAsyncEnumerable<JsonElement> EventsAsync(Uri api, string taskId, WatchStart start, [EnumeratorCancellation] CancellationToken stop)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(api, $"/tasks/{taskId}/events?{start.Query}"));
        if (start.Cursor is not null)
            request.Headers.Add("Last-Event-ID", start.Cursor);
        using var answer = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop);
        if (answer.StatusCode != HttpStatusCode.OK)
            yield break;
        await foreach (var next in SseParser.Create(await answer.Content.ReadAsStreamAsync(stop)).EnumerateAsync(stop))
            yield return JsonElement.Parse(next.Data);
    }

    /// <summary>The stream of the SignalR hub, with the part of its JSON protocol that is needed.</summary>
    private static async IAsyncEnumerable<JsonElement> HubAsync(Uri api, string taskId, WatchStart start, [EnumeratorCancellation] CancellationToken stop)
    {
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{api.Authority}/hubs/tasks"), stop);
        await SendTextAsync("""{"protocol":"json","version":1}""");
        var tail = start.Query.StartsWith("tail=", StringComparison.Ordinal) ? int.Parse(start.Query["tail=".Length..]) : (int?)null;
        var from = start.Cursor ?? (start.Query == "from=now" ? "now" : null);
        await SendTextAsync(JsonSerializer.Serialize(new { type = 4, invocationId = "1", target = "WatchFrom", arguments = new object[] { taskId, new { from, tail } } }));
        var unread = "";
        await foreach (var message in MessagesAsync(socket, stop))
        {
            var frames = (unread + message).Split('\u001e');
            unread = frames[^1];
            foreach (var frame in frames[..^1])
            {
                var read = JsonElement.Parse(frame);
                switch (read.TryGetProperty("type", out var type) ? type.GetInt32() : 0)
                {
                    case 2:
                        yield return read.GetProperty("item");
                        break;
                    case 3 or 7:
                        yield break;
                }
            }
        }

        Task SendTextAsync(string message) => socket.SendAsync(Encoding.UTF8.GetBytes(message + '\u001e'), WebSocketMessageType.Text, endOfMessage: true, stop);
    }

    private static async IAsyncEnumerable<string> MessagesAsync(ClientWebSocket socket, [EnumeratorCancellation] CancellationToken stop)
    {
        var buffer = new byte[64 * 1024];
        using var message = new MemoryStream();
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), stop);
            if (received.MessageType == WebSocketMessageType.Close)
                break;
            await message.WriteAsync(buffer.AsMemory(0, received.Count), stop);
            if (!received.EndOfMessage)
                continue;
            yield return Encoding.UTF8.GetString(message.GetBuffer().AsSpan(0, (int)message.Length));
            message.SetLength(0);
        }
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, stop);
    }

    private static string QueryOf(WatchStart start) => start.Cursor is null ? start.Query : $"from={start.Cursor}";
}

using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;

namespace TaskPipeline.Bench.Driving;

/// <summary>A watcher over WebSocket that times the lines of <see cref="LineAgent"/>.</summary>
internal static class LineWatcher
{
    /// <summary>Watches a task to its end, and returns the age of each line in milliseconds. Calls <paramref name="began"/> at the first line.</summary>
    public static async Task<IReadOnlyList<double>> WatchAsync(Uri api, string path, Action began, CancellationToken stop)
    {
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{api.Authority}{path}"), stop);
        var ages = new List<double>();
        var buffer = new byte[256 * 1024];
        while (true)
        {
            var length = 0;
            ValueWebSocketReceiveResult received;
            do
            {
                received = await socket.ReceiveAsync(buffer.AsMemory(length), stop);
                length += received.Count;
            }
            while (!received.EndOfMessage);
            var seen = Stopwatch.GetTimestamp();
            if (received.MessageType == WebSocketMessageType.Close)
                throw new BenchException($"the watch socket was closed before the end: {socket.CloseStatus} {socket.CloseStatusDescription}");
            using var next = JsonDocument.Parse(buffer.AsMemory(0, length));
            switch (next.RootElement.GetProperty("type").GetString())
            {
                case "lines":
                    if (ages.Count == 0)
                        began();
                    ages.AddRange(next.RootElement.GetProperty("lines").EnumerateArray().Select(line => LineAgent.Age(line.GetProperty("text").GetString()!, seen)));
                    break;
                case "end" when next.RootElement.GetProperty("status").GetString() is not "succeeded":
                    throw new BenchException($"the agent did not succeed: {next.RootElement}");
                case "end":
                    return ages;
            }
        }
    }
}

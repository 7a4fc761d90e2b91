using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace TaskPipeline.Tests.Api;

/// <summary>A client of the watch socket that keeps what it was told.</summary>
internal sealed class WatchClient : IAsyncDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    private readonly ClientWebSocket _socket = new();
    private readonly List<JsonElement> _events = [];

    public IReadOnlyList<JsonElement> Events => _events;

    public IEnumerable<JsonElement> Lines => _events.Where(told => TypeOf(told) == "lines").SelectMany(told => told.GetProperty("lines").EnumerateArray());

    public IEnumerable<string> Texts => Lines.Select(line => line.GetProperty("text").GetString()!);

    public string Cursor => _events.Last(told => told.TryGetProperty("cursor", out _)).GetProperty("cursor").GetString()!;

    public WebSocketCloseStatus? CloseCode => _socket.CloseStatus;

    public string? CloseReason => _socket.CloseStatusDescription;

    public static async Task<WatchClient> ConnectAsync(ApiUnderTest api, string path, Action<ClientWebSocketOptions>? configure = null)
    {
        var client = new WatchClient();
        configure?.Invoke(client._socket.Options);
        using var limit = new CancellationTokenSource(MaxWait);
        await client._socket.ConnectAsync(new Uri(api.Address.ToString().Replace("http", "ws", StringComparison.Ordinal).TrimEnd('/') + path), limit.Token);
        return client;
    }

    public static Task<WatchClient> WatchAsync(ApiUnderTest api, Submitted task, string query = "") => ConnectAsync(api, $"{task.Link("watch")}&{query}");

    public static string TypeOf(JsonElement told) => told.GetProperty("type").GetString()!;

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task SendAsync(byte[] message)
    {
        using var limit = new CancellationTokenSource(MaxWait);
        await _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, limit.Token);
    }

    /// <summary>The next message as text; null: the socket was closed.</summary>
    public async Task<string?> NextTextAsync()
    {
        using var limit = new CancellationTokenSource(MaxWait);
        using var message = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var received = await _socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);
                return null;
            }
            message.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
                return Encoding.UTF8.GetString(message.ToArray());
        }
    }

    /// <summary>The next event; null: the socket was closed.</summary>
    public async Task<JsonElement?> NextAsync()
    {
        if (await NextTextAsync() is not { } text)
            return null;
        var told = JsonElement.Parse(text);
        _events.Add(told);
        return told;
    }

    /// <summary>The next event of this type, with those before it kept.</summary>
    public async Task<JsonElement> UntilAsync(string type, Func<JsonElement, bool>? condition = null)
    {
        while (await NextAsync() is { } told)
            if (TypeOf(told) == type && condition?.Invoke(told) != false)
                return told;
        throw new InvalidOperationException($"The socket was closed ({CloseCode} {CloseReason}) without {type}. Told: {string.Join('\n', _events)}");
    }

    public async Task<WatchClient> ToTheEndAsync()
    {
        while (await NextAsync() is not null)
        {
        }
        return this;
    }

    public ValueTask DisposeAsync()
    {
        _socket.Abort();
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}

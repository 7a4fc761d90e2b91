using System.Net;
using System.Net.WebSockets;

namespace TaskPipeline.Client;

/// <summary>One watch socket.</summary>
internal sealed class WatchConnection : IDisposable
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan FarewellTime = TimeSpan.FromSeconds(1);

    private readonly ClientWebSocket _socket = new();
    private byte[] _buffer = new byte[16 * 1024];

    private WatchConnection()
    {
        _socket.Options.CollectHttpResponseDetails = true;
        // An unanswered ping reveals that the other side is gone.
        _socket.Options.KeepAliveInterval = Heartbeat;
        _socket.Options.KeepAliveTimeout = Heartbeat;
    }

    public int? CloseCode => (int?)_socket.CloseStatus;

    public string CloseReason => _socket.CloseStatusDescription ?? "";

    public static async Task<WatchConnection> OpenAsync(Uri address, HttpClient http, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        var connection = new WatchConnection();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(maxWait);
        try
        {
            await connection._socket.ConnectAsync(address, http, limit.Token);
            return connection;
        }
        catch (Exception exception)
        {
            var status = connection._socket.HttpStatusCode;
            connection.Dispose();
            if (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested)
                throw new TimeoutException($"no answer within {maxWait.TotalSeconds:0.#} s", exception);
            if (IsFinal(status))
                throw new TaskPipelineException($"{address} answered {(int)status}: no TaskPipeline there allows this client to watch", exception) { Status = status };
            throw;
        }
    }

    /// <summary>The next message; null: the server closed the socket.</summary>
    public async ValueTask<byte[]?> ReceiveAsync(CancellationToken cancellationToken)
    {
        for (var length = 0; ;)
        {
            var received = await _socket.ReceiveAsync(_buffer.AsMemory(length), cancellationToken);
            if (received.MessageType == WebSocketMessageType.Close)
                return null;
            length += received.Count;
            if (received.EndOfMessage)
                return _buffer[..length];
            if (length == _buffer.Length)
                Array.Resize(ref _buffer, length * 2);
        }
    }

    /// <summary>Sends our close frame too: the server waits for it before it ends the connection.</summary>
    public async Task CloseAsync()
    {
        if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
        {
            using var limit = new CancellationTokenSource(FarewellTime);
            await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        Dispose();
    }

    public void Dispose() => _socket.Dispose();

    // Repeating a request does not help if the client caused the error.
    private static bool IsFinal(HttpStatusCode status) =>
        (int)status is >= 400 and < 500 && status is not (HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests);
}

using System.Diagnostics;
using System.Net.WebSockets;

namespace TaskPipeline.Client;

/// <summary>Opens one watch socket after the other for one reader. A new socket continues at the reader's place. It reads no faster than its reader.</summary>
/// <param name="server">Where to connect.</param>
/// <param name="path">Path of the socket, with the reader's place.</param>
/// <param name="place">The reader's place, for the final exception.</param>
/// <param name="read">Parses a message to an event.</param>
/// <param name="maxWait">How long to try to reconnect.</param>
/// <param name="onLost">Called before each further try.</param>
internal sealed class WatchConnections(Server server, Func<string> path, Func<string?> place, Func<byte[], WatchEvent> read, TimeSpan maxWait, Action<ConnectionLoss>? onLost) : IAsyncDisposable
{
    private const int Ended = 1000;
    private const int FirstFinal = 4500;
    private const int LastFinal = 4999;
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Stable = TimeSpan.FromSeconds(10);   // it worked, although it sent no news

    private readonly Outage _outage = new(maxWait);
    private WatchConnection? _connection;
    private long _openedAt;

    /// <summary>The next event; null: the server has said that nothing will follow.</summary>
    public async ValueTask<WatchEvent?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            string loss;
            Exception? cause = null;
            try
            {
                if (_connection is null)
                {
                    _connection = await WatchConnection.OpenAsync(server.SocketAddress(path()), server.Http, maxWait < LongestConnect ? maxWait : LongestConnect, cancellationToken);
                    _openedAt = Stopwatch.GetTimestamp();
                }
                if (await _connection.ReceiveAsync(cancellationToken) is { } message)
                {
                    var watchEvent = read(message);
                    // A hello alone is not a success: the connection may break before it sends news.
                    if (watchEvent is not (HelloEvent or ViewHelloEvent))
                        _outage.IsOver();
                    return watchEvent;
                }
                if (_connection.CloseCode is Ended)
                    return null;
                if (_connection.CloseCode is >= FirstFinal and <= LastFinal)
                    throw new TaskPipelineException(_connection.CloseReason.Length > 0 ? _connection.CloseReason : $"The server ended the watch with {_connection.CloseCode}") { CloseCode = _connection.CloseCode };
                loss = $"the server closed it with {_connection.CloseCode?.ToString() ?? "no code"}";
            }
            catch (Exception exception) when (exception is WebSocketException or HttpRequestException or IOException or TimeoutException or OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                (loss, cause) = (exception.GetBaseException().Message.TrimEnd('.'), exception);
            }
            if (_connection is not null && Stopwatch.GetElapsedTime(_openedAt) > Stable)
                _outage.IsOver();
            await DisposeAsync();
            if (_outage.NextWait() is not { } wait)
                throw new ServerUnreachableException($"No connection to {server.Address} for {maxWait.TotalSeconds:0.#} s: {loss}", cause) { Cursor = place() };
            onLost?.Invoke(new ConnectionLoss(loss, wait));
            await Task.Delay(wait, cancellationToken);
        }
    }

    /// <summary>Closes the current connection.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_connection is null)
            return;
        await _connection.CloseAsync();
        _connection = null;
    }
}

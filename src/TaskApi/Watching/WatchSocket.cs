using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watch socket: a loop that sends events, unless the log's audience does, and a loop that reads commands. They share only the right to send.
/// Sends have no cancellation token: cancelling a WebSocket's send tears the connection down, and the client would not get the reason.
/// </summary>
/// <param name="output">The connection's output, to which the audience can send events; null: only this socket sends.</param>
internal sealed class WatchSocket(
    WebSocket socket, DirectOutput? output, IWatch watch, bool asText, WatchCommands commands, TimeSpan writeTimeout, CancellationToken draining) : IDisposable
{
    private const int MostCommandBytes = 4 * 1024;
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RowMaxWait = TimeSpan.FromSeconds(1);   // then an unfinished line is shown, such as a prompt

    private readonly CancellationTokenSource _leaving = CancellationTokenSource.CreateLinkedTokenSource(draining);
    private readonly SemaphoreSlim _sending = new(1);
    private bool _hasEnded;                  // guarded by _sending; nothing is sent after the end
    private readonly TextRows _rows = new();
    private string? _row;                    // plain text only, during an event or an open row: the place after the last complete row
    private Task _lastSend = Task.CompletedTask;

    /// <summary>The place after what was given to the connection. The connection delivers that before any close code.</summary>
    private string Place => _row ?? watch.Place;

    public void Dispose()
    {
        _sending.Dispose();
        _leaving.Dispose();
    }

    /// <summary>Returns when either side has closed the socket.</summary>
    public async Task RunAsync()
    {
        var receiving = ReceiveAsync();
        try
        {
            var (code, reason) = await SendAllAsync(receiving);
            await CloseAsync(code, reason, receiving);
        }
        finally
        {
            socket.Abort();
            await Task.WhenAll(receiving, _lastSend).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<(WebSocketCloseStatus, string)> SendAllAsync(Task<(WebSocketCloseStatus, string)> receiving)
    {
        try
        {
            while (!watch.HasEnded)
            {
                _leaving.Token.ThrowIfCancellationRequested();
                if (asText)
                    _row = Place;
                var (next, sending) = (await watch.NextAsync(_leaving.Token), Task.CompletedTask);
                if (next is null && output is not null)
                    (next, sending) = await watch.AttendAsync(output, _leaving.Token);
                else if (next is null && !await watch.WaitAsync(_rows.IsOpen ? RowMaxWait : Timeout.InfiniteTimeSpan, _leaving.Token)
                    && !await SendAsync(_rows.Pause()!.Value, isLast: false))
                    return (CloseCodes.TooSlow, Place);
                if (!await IsSentAsync(sending) || (next is not null && !await SendAsync(next)))
                    return (CloseCodes.TooSlow, Place);
            }
            return (CloseCodes.Ended, "");
        }
        catch (OperationCanceledException)
        {
            // The client has left or broken a rule (the other loop knows which), or the host is stopping.
            return draining.IsCancellationRequested ? (CloseCodes.Draining, Place) : await receiving;
        }
        catch (WebSocketException)
        {
            return (WebSocketCloseStatus.Empty, "");   // the connection is gone
        }
    }

    private async Task<bool> SendAsync(WatchEvent next)
    {
        if (!asText)
            return await SendAsync(next.Json, isLast: watch.HasEnded);
        TextStep[] steps = [.. next.PlainText.SelectMany(_rows.Take)];
        for (var index = 0; index < steps.Length; index++)
            if (!await SendAsync(steps[index], isLast: watch.HasEnded && index == steps.Length - 1))
                return false;
        if (!_rows.IsOpen)
            _row = null;
        return true;
    }

    /// <summary>A row is one message, sent in frames.</summary>
    private async ValueTask<bool> SendAsync(TextStep step, bool isLast)
    {
        if (step.End != RowEnd.None)
            _row = step.Place.ToString();
        return await SendAsync(Encoding.UTF8.GetBytes(step.Text), isLast, isWhole: step.End != RowEnd.None);
    }

    private async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> message, bool isLast, bool isWhole = true)
    {
        await _sending.WaitAsync(CancellationToken.None);
        if (_hasEnded)
        {
            _sending.Release();
            return true;
        }
        _hasEnded = isLast;
        return await IsSentAsync(SendAndReleaseAsync(message, isWhole));
    }

    /// <summary>False: the client accepts no data.</summary>
    private async ValueTask<bool> IsSentAsync(Task sending)
    {
        if (sending.IsCompletedSuccessfully)
            return true;
        _lastSend = sending;
        await sending.WaitAsync(writeTimeout, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!sending.IsCompleted)
            return false;   // the send continues: a client that wakes up still gets it, then the close code
        await sending;
        return true;
    }

    private async Task SendAndReleaseAsync(ReadOnlyMemory<byte> message, bool isWhole)
    {
        try
        {
            await socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: isWhole, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task<(WebSocketCloseStatus, string)> ReceiveAsync()
    {
        try
        {
            while (true)
            {
                // Zero bytes: completes when there is data, so a watcher that never sends anything needs no buffer.
                if ((await socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None)).MessageType == WebSocketMessageType.Close)
                    return (WebSocketCloseStatus.NormalClosure, "");
                var buffer = ArrayPool<byte>.Shared.Rent(MostCommandBytes + 1);
                try
                {
                    var length = 0;
                    ValueWebSocketReceiveResult received;
                    do
                    {
                        received = await socket.ReceiveAsync(buffer.AsMemory(length, MostCommandBytes + 1 - length), CancellationToken.None);
                        length += received.Count;
                        if (received.MessageType == WebSocketMessageType.Close)
                            return (WebSocketCloseStatus.NormalClosure, "");
                        if (received.MessageType == WebSocketMessageType.Binary)
                            return (CloseCodes.NotText, "commands must be text");
                        if (length > MostCommandBytes)
                            return (CloseCodes.TooBig, $"a command can have at most {MostCommandBytes} bytes");
                    }
                    while (!received.EndOfMessage);
                    var reply = await commands.HandleAsync(buffer.AsMemory(0, length));
                    if (!asText)
                        await SendAsync(reply, isLast: false);
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
        }
        catch (WebSocketException exception)
        {
            // otherwise the connection is gone
            return (exception.WebSocketErrorCode == WebSocketError.Faulted ? CloseCodes.NotUtf8 : WebSocketCloseStatus.Empty, "");
        }
        finally
        {
            _ = _leaving.CancelAsync();
        }
    }

    private async Task CloseAsync(WebSocketCloseStatus code, string reason, Task receiving)
    {
        if (code == CloseCodes.NotUtf8)
        {
            // The framework is sending this code, and nothing can be read any more. If the connection were cut at once, the client's own close would
            // cause a reset, and the client would lose what it has not read yet.
            await Task.Delay(CloseGrace, draining).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        if (code == WebSocketCloseStatus.Empty || socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived))
            return;
        try
        {
            using var maxWait = new CancellationTokenSource(code == CloseCodes.TooSlow ? writeTimeout : CloseGrace);
            await socket.CloseOutputAsync(code, reason, maxWait.Token);
            // Then wait for the client's close: cutting the connection with unread data would reset it, and the client would lose what it has not
            // read yet.
            await receiving.WaitAsync(maxWait.Token);
            var ignored = new byte[MostCommandBytes];
            while (socket.State == WebSocketState.CloseSent)
                await socket.ReceiveAsync(ignored.AsMemory(), maxWait.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException)
        {
            // The client does not answer; the connection is cut.
        }
    }
}

using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watch socket: a loop that sends events, unless the log's audience does, and a loop that hears commands. They share nothing but the right to send.
/// Sending is not bound to a token: cancelling a WebSocket's send tears the connection down, and the client would not learn why.
/// </summary>
/// <param name="output">Of the connection below, which others may send events to; null: this socket alone sends them.</param>
internal sealed class WatchSocket(
    WebSocket socket, DirectOutput? output, IWatch watch, bool asText, WatchCommands commands, TimeSpan writeTimeout, CancellationToken draining) : IDisposable
{
    private const int MostCommandBytes = 4 * 1024;
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RowMaxWait = TimeSpan.FromSeconds(1);   // then what there is of a line is shown, such as a prompt

    private readonly CancellationTokenSource _leaving = CancellationTokenSource.CreateLinkedTokenSource(draining);
    private readonly SemaphoreSlim _sending = new(1);
    private bool _hasEnded;                  // guarded by _sending: nothing follows the end
    private readonly TextRows _rows = new();
    private string? _row;                    // in plain text, while an event is being sent or a message is not over: behind the last one that is
    private Task _lastSend = Task.CompletedTask;

    /// <summary>Behind what was given to the connection, which delivers it before any close code.</summary>
    private string Place => _row ?? watch.Place;

    public void Dispose()
    {
        _sending.Dispose();
        _leaving.Dispose();
    }

    /// <summary>Comes back when the socket is closed, by either side.</summary>
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
            // Either the client has left or broken a rule, which the other loop knows, or the host is stopping.
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

    /// <summary>False: the client takes no data.</summary>
    private async ValueTask<bool> IsSentAsync(Task sending)
    {
        if (sending.IsCompletedSuccessfully)
            return true;
        _lastSend = sending;
        await sending.WaitAsync(writeTimeout, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!sending.IsCompleted)
            return false;   // it goes on: a client that wakes up still gets it, and the close code behind it
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
                // Comes back when there is something: a watcher that never says anything needs no buffer.
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
                            return (CloseCodes.NotText, "commands are text");
                        if (length > MostCommandBytes)
                            return (CloseCodes.TooBig, $"a command may have {MostCommandBytes} bytes");
                    }
                    while (!received.EndOfMessage);
                    var reply = await commands.ObeyAsync(buffer.AsMemory(0, length));
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
            // else the connection is gone
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
            // Its code is on the way, and nothing can be read any more. Cut at once, the connection would be reset by the client's own close, and
            // what it has not read yet be lost.
            await Task.Delay(CloseGrace, draining).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        if (code == WebSocketCloseStatus.Empty || socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived))
            return;
        try
        {
            using var maxWait = new CancellationTokenSource(code == CloseCodes.TooSlow ? writeTimeout : CloseGrace);
            await socket.CloseOutputAsync(code, reason, maxWait.Token);
            // Then for the client's own close: cutting the connection with something unread would reset it, and take away what the client still has to read.
            await receiving.WaitAsync(maxWait.Token);
            var ignored = new byte[MostCommandBytes];
            while (socket.State == WebSocketState.CloseSent)
                await socket.ReceiveAsync(ignored.AsMemory(), maxWait.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException)
        {
            // It does not answer, and is cut off.
        }
    }
}

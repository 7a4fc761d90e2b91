using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Stopping;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watch socket: a loop that sends the watcher's events and a loop that hears commands. They share nothing but the right to send.
/// Sending is not bound to a token: cancelling a WebSocket's send tears the connection down, and the client would not learn why.
/// </summary>
internal sealed class WatchSocket(WebSocket socket, TrackedTask tracked, Watcher watcher, WatchPlan plan, StopRequests stops, InputRequests inputs, TimeSpan writeTimeout, CancellationToken draining) : IDisposable
{
    private const int MostCommandBytes = 4 * 1024;
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _leaving = CancellationTokenSource.CreateLinkedTokenSource(draining);
    private readonly SemaphoreSlim _sending = new(1);
    private bool _hasEnded;                  // guarded by _sending: nothing follows the end
    private Cursor _place = watcher.Place;   // owned by the sending loop: behind what was given to the connection, which delivers it before any close code
    private Task _lastSend = Task.CompletedTask;

    public void Dispose()
    {
        _sending.Dispose();
        _leaving.Dispose();
    }

    /// <summary>Comes back when the socket is closed, by either side.</summary>
    public async Task RunAsync()
    {
        var hearing = HearAsync();
        try
        {
            var (code, reason) = await SendAllAsync(hearing);
            await CloseAsync(code, reason, hearing);
        }
        finally
        {
            socket.Abort();
            await Task.WhenAll(hearing, _lastSend).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<(WebSocketCloseStatus, string)> SendAllAsync(Task<(WebSocketCloseStatus, string)> hearing)
    {
        try
        {
            while (!watcher.HasEnded)
            {
                _leaving.Token.ThrowIfCancellationRequested();
                if (await watcher.NextAsync(_leaving.Token) is not { } next)
                    await watcher.WaitAsync(Timeout.InfiniteTimeSpan, _leaving.Token);
                else if (!await SendAsync(next))
                    return (CloseCodes.TooSlow, _place.ToString());
            }
            return (CloseCodes.Ended, "");
        }
        catch (OperationCanceledException)
        {
            // Either the client has left or broken a rule, which the other loop knows, or the host is stopping.
            return draining.IsCancellationRequested ? (CloseCodes.Draining, _place.ToString()) : await hearing;
        }
        catch (WebSocketException)
        {
            return (WebSocketCloseStatus.Empty, "");   // the connection is gone
        }
    }

    private async Task<bool> SendAsync(WatchEvent next)
    {
        if (plan.AsText)
        {
            foreach (var (cursor, text) in next.PlainText)
            {
                _place = cursor;
                if (!await SendAsync(Encoding.UTF8.GetBytes(text), isLast: watcher.HasEnded))
                    return false;
            }
        }
        _place = next.Cursor;
        return plan.AsText || await SendAsync(next.Json, isLast: watcher.HasEnded);
    }

    private async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> message, bool isLast)
    {
        await _sending.WaitAsync(CancellationToken.None);
        if (_hasEnded)
        {
            _sending.Release();
            return true;
        }
        _hasEnded = isLast;
        var sending = SendAndReleaseAsync(message);
        if (sending.IsCompletedSuccessfully)
            return true;
        _lastSend = sending;
        await sending.WaitAsync(writeTimeout, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!sending.IsCompleted)
            return false;   // it goes on: a client that wakes up still gets it, and the close code behind it
        await sending;
        return true;
    }

    private async Task SendAndReleaseAsync(ReadOnlyMemory<byte> message)
    {
        try
        {
            await socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task<(WebSocketCloseStatus, string)> HearAsync()
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
                    await ObeyAsync(Encoding.UTF8.GetString(buffer, 0, length));
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
        }
        catch (WebSocketException)
        {
            return (WebSocketCloseStatus.Empty, "");   // the connection is gone
        }
        finally
        {
            _ = _leaving.CancelAsync();
        }
    }

    private async Task ObeyAsync(string text)
    {
        var (command, requestId, content) = Parse(text);
        var problem = command switch
        {
            "stop" => await stops.SendAsync(tracked, "websocket"),
            "input" => await TypeAsync(content),
            _ => new Problem(StatusCodes.Status400BadRequest, """Commands are STOP, {"type":"stop"} and {"type":"input","text":"…"}"""),
        };
        if (!plan.AsText)
            await SendAsync(CommandReply.Encode(tracked.TaskId, requestId, problem), isLast: false);
    }

    private async Task<Problem?> TypeAsync(JsonElement content)
    {
        var (input, wrong) = SendInput.Read(content);
        return wrong ?? (await inputs.SendAsync(tracked, input!, "websocket")).Problem;
    }

    private static (string? Command, string? RequestId, JsonElement Content) Parse(string text)
    {
        if (text.Trim() is "STOP")
            return ("stop", null, default);
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement is { ValueKind: JsonValueKind.Object } command ? (Field(command, "type"), Field(command, "request_id"), command.Clone()) : default;
        }
        catch (JsonException)
        {
            return default;
        }
    }

    private static string? Field(JsonElement command, string name) => command.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null;

    private async Task CloseAsync(WebSocketCloseStatus code, string reason, Task hearing)
    {
        if (code == WebSocketCloseStatus.Empty || socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived))
            return;
        try
        {
            using var patience = new CancellationTokenSource(code == CloseCodes.TooSlow ? writeTimeout : CloseGrace);
            await socket.CloseOutputAsync(code, reason, patience.Token);
            // Then for the client's own close: cutting the connection with something unread would reset it, and take away what the client still has to read.
            await hearing.WaitAsync(patience.Token);
            var ignored = new byte[MostCommandBytes];
            while (socket.State == WebSocketState.CloseSent)
                await socket.ReceiveAsync(ignored.AsMemory(), patience.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException)
        {
            // It does not answer, and is cut off.
        }
    }
}

/// <summary><c>ack</c> or <c>error</c>, with the caller's own id. It has no place in the log.</summary>
internal static class CommandReply
{
    public static ReadOnlyMemory<byte> Encode(string taskId, string? requestId, Problem? problem)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("v"u8, 1);
            writer.WriteString("type"u8, problem is null ? "ack" : "error");
            writer.WriteString("task_id"u8, taskId);
            writer.WriteOptional("request_id"u8, requestId);
            if (problem is not null)
            {
                writer.WriteNumber("status"u8, problem.StatusCode!.Value);
                writer.WriteString("detail"u8, problem.Detail);
            }
            writer.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }
}

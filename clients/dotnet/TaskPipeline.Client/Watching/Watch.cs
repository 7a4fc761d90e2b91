using System.Net.WebSockets;
using System.Runtime.CompilerServices;

namespace TaskPipeline.Client;

/// <summary>
/// One watcher of one task, over as many connections as it takes. After each loss it comes back with the cursor of the last event that it has told,
/// so that every event is told once. It reads no faster than its caller does.
/// </summary>
internal sealed class Watch(Server server, string path, WatchOptions options)
{
    private const int Ended = 1000;
    private const int FirstFinal = 4500;
    private const int LastFinal = 4999;
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(15);

    private readonly Outage _outage = new(options.Patience);
    private WatchConnection? _connection;
    private string? _cursor = options.From;
    private bool _saidHello;
    private bool _saidCaughtUp;

    public async IAsyncEnumerable<WatchEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var verifier = new OutputVerifier(isFromStart: options is { From: "start" } or { From: null, Since: null, Tail: null }, isFiltered: options.Streams is { Count: > 0 });
        try
        {
            while (await NextAsync(cancellationToken) is { } told)
            {
                Verify(verifier, told);
                _cursor = told.Cursor ?? _cursor;
                yield return told;
                if (told is EndEvent)
                    break;
            }
        }
        finally
        {
            await LeaveAsync();
        }
    }

    /// <summary>The next event that was not told yet; null: nothing will follow, because the caller's own cursor was behind the end.</summary>
    private async ValueTask<WatchEvent?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            string loss;
            Exception? cause = null;
            try
            {
                _connection ??= await WatchConnection.OpenAsync(Address(), server.Http, options.Patience < LongestConnect ? options.Patience : LongestConnect, cancellationToken);
                if (await _connection.ReceiveAsync(cancellationToken) is { } message)
                {
                    var told = WatchEventReader.Read(message);
                    // A connection that gives no more than a greeting is no success: the next one may not either.
                    if (told is not HelloEvent)
                        _outage.IsOver();
                    if (IsNew(told))
                        return told;
                    continue;
                }
                if (_connection.CloseCode is Ended)
                    return null;
                if (_connection.CloseCode is >= FirstFinal and <= LastFinal)
                    throw new TaskPipelineException(_connection.CloseReason.Length > 0 ? _connection.CloseReason : $"The server has ended the watch with {_connection.CloseCode}") { CloseCode = _connection.CloseCode };
                loss = $"the server has closed it with {_connection.CloseCode?.ToString() ?? "no code"}";
            }
            catch (Exception exception) when (exception is WebSocketException or HttpRequestException or IOException or TimeoutException or OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                (loss, cause) = (exception.GetBaseException().Message.TrimEnd('.'), exception);
            }
            await LeaveAsync();
            if (_outage.NextWait() is not { } wait)
                throw new ServerUnreachableException($"No connection to {server.Address} for {options.Patience.TotalSeconds:0.#} s: {loss}", cause) { Cursor = _cursor };
            options.OnConnectionLost?.Invoke(new ConnectionLoss(loss, wait));
            await Task.Delay(wait, cancellationToken);
        }
    }

    private Uri Address()
    {
        var begin = Query.Of(
            ("from", _cursor),
            ("since", _cursor is null ? options.Since : null),
            ("tail", _cursor is null ? options.Tail?.ToString() : null),
            ("stream", Query.Streams(options.Streams)));
        return server.SocketAddress(path.Contains('?', StringComparison.Ordinal) && begin.Length > 0 ? $"{path}&{begin[1..]}" : path + begin);
    }

    /// <summary>Each connection begins with a greeting, and says when it has caught up; of these the first counts.</summary>
    private bool IsNew(WatchEvent told)
    {
        switch (told)
        {
            case HelloEvent when _saidHello:
            case CaughtUpEvent when _saidCaughtUp:
                return false;
            case HelloEvent:
                return _saidHello = true;
            case CaughtUpEvent:
                return _saidCaughtUp = true;
            default:
                return true;
        }
    }

    private static void Verify(OutputVerifier verifier, WatchEvent told)
    {
        switch (told)
        {
            case LinesEvent lines:
                verifier.Add(lines);
                break;
            case GapEvent gap:
                verifier.Add(gap);
                break;
            case EndEvent end:
                end.Verification = verifier.Check(end);
                break;
        }
    }

    private async Task LeaveAsync()
    {
        if (_connection is null)
            return;
        await _connection.CloseAsync();
        _connection = null;
    }
}

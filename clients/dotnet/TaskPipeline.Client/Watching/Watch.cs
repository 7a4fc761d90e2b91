using System.Runtime.CompilerServices;

namespace TaskPipeline.Client;

/// <summary>One watcher of one task. It reconnects with the cursor of the last event that it returned, so it returns each event once.</summary>
internal sealed class Watch(Server server, string path, WatchOptions options)
{
    private string? _cursor = options.From;
    private bool _saidHello;
    private bool _saidCaughtUp;

    public async IAsyncEnumerable<WatchEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var verifier = new OutputVerifier(isFromStart: options is { From: "start" } or { From: null, Since: null, Tail: null }, isFiltered: options.Streams is { Count: > 0 });
        await using var connections = new WatchConnections(server, Path, () => _cursor, WatchEventReader.Read, options.MaxWait, options.OnConnectionLost);
        // If the caller's cursor is after the end, the server closes the socket without an EndEvent.
        while (await connections.NextAsync(cancellationToken) is { } next)
        {
            if (!IsNew(next))
                continue;
            Verify(verifier, next);
            _cursor = next.Cursor ?? _cursor;
            yield return next;
            if (next is EndEvent)
                break;
        }
    }

    private string Path()
    {
        var begin = Query.Of(
            ("from", _cursor),
            ("since", _cursor is null ? options.Since : null),
            ("tail", _cursor is null ? options.Tail?.ToString() : null),
            ("stream", Query.Streams(options.Streams)));
        return path.Contains('?', StringComparison.Ordinal) && begin.Length > 0 ? $"{path}&{begin[1..]}" : path + begin;
    }

    /// <summary>Each connection sends a hello and a caught_up. Only the first of each is returned.</summary>
    private bool IsNew(WatchEvent next)
    {
        switch (next)
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

    private static void Verify(OutputVerifier verifier, WatchEvent next)
    {
        switch (next)
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
}

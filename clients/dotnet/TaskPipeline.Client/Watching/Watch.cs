using System.Runtime.CompilerServices;

namespace TaskPipeline.Client;

/// <summary>One watcher of one task, over as many connections as it takes. After each loss it comes back with the cursor of the last event that it has told, so that every event is told once.</summary>
internal sealed class Watch(Server server, string path, WatchOptions options)
{
    private string? _cursor = options.From;
    private bool _saidHello;
    private bool _saidCaughtUp;

    public async IAsyncEnumerable<WatchEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var verifier = new OutputVerifier(isFromStart: options is { From: "start" } or { From: null, Since: null, Tail: null }, isFiltered: options.Streams is { Count: > 0 });
        await using var connections = new WatchConnections(server, Path, () => _cursor, WatchEventReader.Read, options.MaxWait, options.OnConnectionLost);
        // Nothing follows without an end where the caller's own cursor was behind it.
        while (await connections.NextAsync(cancellationToken) is { } told)
        {
            if (!IsNew(told))
                continue;
            Verify(verifier, told);
            _cursor = told.Cursor ?? _cursor;
            yield return told;
            if (told is EndEvent)
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
}

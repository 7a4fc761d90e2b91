using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watcher's place in a task's log. It pulls at the speed of its own connection: history and live are the same reads, so nothing is lost or
/// doubled between them, and a slow watcher costs a place and nobody's time. Owned by the one loop that sends.
/// </summary>
internal sealed class Watcher
{
    private const int MostBytesAtOnce = 64 * 1024;

    private readonly TaskLog _log;
    private readonly WatchPlan _plan;
    private readonly int _live;   // what lies before was there when the watcher came
    private readonly Queue<WatchEvent> _first = [];
    private readonly Cursor _seen;
    private int _next;
    private bool _isCaughtUp;

    public Watcher(string taskId, TaskLog log, Status status, WatchPlan plan)
    {
        _log = log;
        _plan = plan;
        _live = log.Count;
        Place = _seen = Begin();
        _first.Enqueue(new HelloEvent(taskId, Place, log, status));
        if (!_seen.StopSeen && log.StopIndex is >= 0 and var stop && stop < _next)
            _first.Enqueue(log[stop]);
    }

    /// <summary>Behind the last event that was handed out: where to go on after a loss of the connection.</summary>
    public Cursor Place { get; private set; }

    /// <summary>The end was handed out; nothing follows.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>The next event that this watcher wants; null: there is none yet.</summary>
    public WatchEvent? Next()
    {
        if (_first.TryDequeue(out var first))
            return first;
        while (_next < _log.Count)
        {
            if (_next >= _live && CaughtUp() is { } before)
                return before;
            var found = _log[_next];
            if (found is EndEvent)
            {
                if (CaughtUp() is { } caughtUp)
                    return caughtUp;
                HasEnded = true;
            }
            _next++;
            if (Wanted(found) is not { } wanted)
                continue;
            Place = wanted.Cursor;
            return wanted is LinesEvent lines ? WithFollowing(lines) : wanted;
        }
        if (_plan.From.EndSeen && _log.HasEnded)
            HasEnded = true;
        return CaughtUp();
    }

    /// <summary>Waits until <see cref="Next"/> may have something; false: nothing came within the time.</summary>
    public async ValueTask<bool> WaitAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var changed = _log.Changed.Next;
        if (_next < _log.Count)
            return true;
        await changed.WaitAsync(patience, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return changed.IsCompleted;
    }

    private CaughtUpEvent? CaughtUp()
    {
        if (_isCaughtUp)
            return null;
        _isCaughtUp = true;
        return new CaughtUpEvent(_log[0].TaskId, Place);
    }

    private WatchEvent? Wanted(WatchEvent found)
    {
        // Where the request to stop stands among the lines can differ between replicas: it is told once, whatever the cursor's place.
        if (_next - 1 == _log.StopIndex)
            return _seen.StopSeen ? null : found;
        // A cursor may come from a replica that has read further than this one: what it has seen is passed over when it comes.
        if (found.IsPlacedByOffset ? found.Cursor.Events <= _seen.Events : !found.Cursor.IsBeyond(_seen))
            return null;
        if (found is not LinesEvent lines)
            return found;
        var rest = lines.Cursor.Attempt == _seen.Attempt ? lines.After(_seen.Seq) : lines;
        return rest?.Of(_plan.Filter);
    }

    /// <summary>Lines that are at hand travel together: a replay of many small records would be slow one by one, for browsers too.</summary>
    private WatchEvent WithFollowing(LinesEvent lines)
    {
        List<LinesEvent>? parts = null;
        var size = lines.EncodedLines.Length;
        var end = _next < _live ? _live : _log.Count;   // `caught_up` stands between history and live
        while (_next < end && size < MostBytesAtOnce && _log[_next] is LinesEvent following && following.Cursor.Attempt == Place.Attempt)
        {
            _next++;
            if (following.Of(_plan.Filter) is not { } wanted)
                continue;
            (parts ??= [lines]).Add(wanted);
            size += wanted.EncodedLines.Length;
            Place = wanted.Cursor;
        }
        return parts is null ? lines : new MergedLines(parts);
    }

    /// <summary>Finds the first event to hand out, and answers the place before it.</summary>
    private Cursor Begin()
    {
        if (_plan.FromNow)
            return BeginWithLast(0);
        if (_plan.Tail is { } tail)
            return BeginWithLast(tail);
        _next = _log.FirstBeyond(_plan.From, _live);
        return _plan.From;
    }

    private Cursor BeginWithLast(int tail)
    {
        _next = _log[_live - 1] is EndEvent ? _live - 1 : _live;   // the end is for everybody
        while (_next > 0 && tail > 0)
        {
            _next--;
            if (_log[_next] is not LinesEvent all || all.Of(_plan.Filter) is not { } lines)
                continue;
            if (lines.Lines.Count > tail)
                return all.Cursor with { Seq = lines.Lines[^(tail + 1)].Seq };
            tail -= lines.Lines.Count;
        }
        return _next == 0 ? Cursor.Start : _log[_next - 1].Cursor;
    }
}

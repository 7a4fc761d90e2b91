using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watcher's place in a task's log. It pulls events at the speed of its connection. History and live events are read in the same way, so none is
/// lost or sent twice between them, and a slow watcher costs only its place. Owned by the one loop that sends.
/// </summary>
internal sealed class Watcher : IWatch
{
    private readonly TaskLog _log;
    private readonly LogReader _reader;
    private readonly WatchPlan _plan;
    private readonly Status _status;
    private readonly int _live;         // number of entries when the watcher started
    private readonly int _liveItems;    // items in the last of them, if it is a block
    private readonly Cursor _livePlace;
    private WatchEvent? _first;         // sent before the log's events, like the next
    private WatchEvent? _second;
    private Cursor _place;              // after the last event that was returned
    private Cursor _seen;               // where it started
    private int _next = -1;             // index of the entry to read; -1: not started
    private Cursor? _passed;            // its place within that entry, if it is a block
    private long _version;
    private bool _isCaughtUp;

    /// <summary>Makes a watcher under the table's lock, so that nobody adds to the log meanwhile.</summary>
    public static Watcher Of(TaskTable table, TrackedTask tracked, LogReader reader, WatchPlan plan) =>
        table.Read(tracked, task => new Watcher(task.Log, reader, task.Status, plan));

    /// <summary>Nobody may add to the log meanwhile.</summary>
    public Watcher(TaskLog log, LogReader reader, Status status, WatchPlan plan)
    {
        (_log, _reader, _status, _plan, _live) = (log, reader, status, plan, log.Count);
        _liveItems = (log.Last as LogBlock)?.Content?.Count ?? 0;
        _livePlace = log.Latest;
        _place = plan.FromNow ? _livePlace : plan.From;
    }

    public string Place => _place.ToString();

    /// <summary>The end was returned, or had been seen before.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Whether its next events are the same as for all other watchers at its place: it has passed its own start.</summary>
    public bool IsLikeOthers => _isCaughtUp && !HasEnded && _place != _seen && !_seen.StopSeen && !_seen.EndSeen;

    public async ValueTask<WatchEvent?> NextAsync(CancellationToken cancellationToken)
    {
        if (_next < 0)
            await BeginAsync(cancellationToken);
        WatchEvent? next;
        for (BlockContent? read = null; !TryNext(out next, read);)
            read = await _reader.ReadAsync(_log, _next, cancellationToken);
        return next;
    }

    public async ValueTask<bool> WaitAsync(TimeSpan maxWait, CancellationToken cancellationToken)
    {
        var changed = _log.Changed.Next;
        if (_log.Version != _version)
            return true;
        await changed.WaitAsync(maxWait, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return changed.IsCompleted;
    }

    public Task<LeftOver> AttendAsync(DirectOutput output, CancellationToken leaving) => Audience.Of(_log).AttendAsync(this, output, leaving);

    /// <summary>Whether both get the same events from here on.</summary>
    public bool IsBeside(Watcher other) =>
        _next == other._next && _passed == other._passed && _place == other._place && _plan.Filter == other._plan.Filter && IsLikeOthers && other.IsLikeOthers;

    /// <summary>Another watcher at the same place.</summary>
    public Watcher Copy() => (Watcher)MemberwiseClone();

    /// <summary>Takes the place of a watcher that was beside it: both have been sent the same.</summary>
    public void Follow(Watcher other) => (_next, _passed, _place, HasEnded) = (other._next, other._passed, other._place, other.HasEnded);

    /// <summary>The same as <see cref="NextAsync"/>, for a watcher that has started; false: the next event has to be read from Kafka first.</summary>
    /// <param name="read">The content of the current entry, which may no longer be in memory.</param>
    public bool TryNext(out WatchEvent? next, BlockContent? read = null)
    {
        if (_first is { } first)
        {
            (_first, _second, _place) = (_second, null, first.Cursor);
            next = first;
            return true;
        }
        while (true)
        {
            _version = _log.Version;
            var count = _log.Count;   // read before the content: an entry with another after it no longer grows
            if (_next == count)
                break;
            if (_log[_next] is LogBlock block)
            {
                if ((read ?? _reader.InMemory(_log, _next)) is not { } content)
                {
                    next = null;
                    return false;
                }
                _passed ??= Enter(block);
                next = NextOf(content, _passed.Value);
                if (next is not null)
                    return true;
                if (_next == count - 1)
                    break;
                (_next, _passed, read) = (_next + 1, null, null);
                continue;
            }
            if ((_next >= _live || _log[_next] is EndEvent) && (next = CaughtUp()) is not null)
                return true;
            next = (WatchEvent)_log[_next];
            HasEnded |= next is EndEvent;
            var isWanted = IsWanted(next);
            _next++;
            if (!isWanted)
                continue;
            _place = next.Cursor;
            return true;
        }
        if (_plan.From.EndSeen && _log.HasEnded)
            HasEnded = true;
        next = CaughtUp();
        return true;
    }

    private WatchEvent? NextOf(BlockContent content, Cursor passed)
    {
        while (content.FirstBeyond(passed) is var item && item < content.Count)
        {
            var isHistory = _next == _live - 1 && item < _liveItems;
            if (_next >= _live - 1 && !isHistory && CaughtUp() is { } caughtUp)
                return caughtUp;
            var (watchEvent, following) = content.Read(item, isHistory ? Math.Min(_liveItems, content.Count) : content.Count);
            var isCut = passed.Seq > content.EndOf(item - 1).Seq;   // the watcher started within a record
            var wanted = watchEvent is not LinesEvent lines ? watchEvent : (isCut ? lines.After(passed.Seq) : lines)?.Of(_plan.Filter);
            _passed = passed = Furthest(content.EndOf(following - 1), passed);
            if (wanted is null)
                continue;
            _place = wanted.Cursor;
            return wanted;
        }
        return null;
    }

    private CaughtUpEvent? CaughtUp()
    {
        if (_isCaughtUp)
            return null;
        _isCaughtUp = true;
        return new CaughtUpEvent(_log.TaskId, _place);
    }

    private bool IsWanted(WatchEvent found)
    {
        // The place of the stop request among the lines can differ between replicas: it is sent once, whatever the cursor's place.
        if (_next == _log.StopIndex)
            return !_seen.StopSeen;
        // A cursor can come from a replica that has read further than this one: events that it has seen are skipped.
        return found.IsPlacedByOffset ? found.Cursor.Events > _seen.Events : found.Cursor.IsBeyond(_seen);
    }

    private async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        _place = _seen = _plan.FromNow ? await BeforeLastAsync(0, cancellationToken)
            : _plan.Since is { } since ? await BeforeTimeAsync(since, cancellationToken)
            : _plan.Tail is { } tail ? await BeforeLastAsync(tail, cancellationToken)
            : _plan.From;
        _next = _log.FirstBeyond(_seen, _live);
        if (_next == _live && _log[_live - 1] is LogBlock)
            _next--;   // the last block can still grow
        _first = new HelloEvent(_log, _place, _status);
        if (!_seen.StopSeen && _log.StopIndex is >= 0 and var stop && stop < _next)
            _second = ((StateEvent)_log[stop]).At(_place with { StopSeen = true });   // the log has it before this watcher's start
    }

    /// <summary>Where to start in a block. A cursor can be after the block's front, also because another replica had read further.</summary>
    private Cursor Enter(LogBlock block)
    {
        var front = block.From;
        return front.Attempt < _seen.Attempt ? front with { Seq = long.MaxValue, Events = long.MaxValue }
            : front.Attempt > _seen.Attempt ? front
            : Furthest(front, _seen);
    }

    private static Cursor Furthest(Cursor place, Cursor other) =>
        place with { Seq = Math.Max(place.Seq, other.Seq), Events = Math.Max(place.Events, other.Events) };

    /// <summary>The place before the first line at or after a time; if there is none so far, the current end.</summary>
    private async ValueTask<Cursor> BeforeTimeAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        for (var index = 0; index < _live; index++)
        {
            if (_log[index] is not LogBlock block || block.LastAt < since)
                continue;
            var content = await _reader.ReadAsync(_log, index, cancellationToken);
            for (var item = 0; item < content.Count; item++)
                if (content.LinesOf(item)?.Lines.FirstOrDefault(line => line.At >= since) is { } first)
                    return content.EndOf(item) with { Seq = first.Seq - 1, Events = content.EndOf(item - 1).Events };
        }
        return await BeforeLastAsync(0, cancellationToken);
    }

    /// <summary>The place before the last <paramref name="tail"/> lines.</summary>
    private async ValueTask<Cursor> BeforeLastAsync(int tail, CancellationToken cancellationToken)
    {
        var index = _log[_live - 1] is EndEvent ? _live - 1 : _live;   // every watcher gets the end
        for (; index > 0 && tail > 0; index--)
        {
            if (_log[index - 1] is not LogBlock)
                continue;
            var content = await _reader.ReadAsync(_log, index - 1, cancellationToken);
            for (var item = (index == _live ? Math.Min(_liveItems, content.Count) : content.Count) - 1; item >= 0; item--)
            {
                if (content.LinesOf(item)?.Of(_plan.Filter)?.Lines is not { } lines)
                    continue;
                if (lines.Count > tail)
                    return content.EndOf(item) with { Seq = lines[^(tail + 1)].Seq };
                if ((tail -= lines.Count) == 0)
                    return content.EndOf(item - 1);
            }
        }
        return index == 0 ? Cursor.Start : index == _live ? _livePlace : _log[index - 1].Cursor;
    }
}

using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watcher's place in a task's log. It pulls at the speed of its own connection: history and live are the same reads, so nothing is lost or
/// doubled between them, and a slow watcher costs a place and nobody's time. Owned by the one loop that sends.
/// </summary>
internal sealed class Watcher : IWatch
{
    private readonly TaskLog _log;
    private readonly LogReader _reader;
    private readonly WatchPlan _plan;
    private readonly Status _status;
    private readonly int _live;         // entries that were there when the watcher came
    private readonly int _liveItems;    // of the last of them, where it is a block
    private readonly Cursor _livePlace;
    private WatchEvent? _first;         // to be handed out before what the log has
    private WatchEvent? _second;
    private Cursor _place;              // behind the last event that was handed out
    private Cursor _seen;               // where it began
    private int _next = -1;             // the entry to read; -1: it has not begun
    private Cursor? _passed;            // in that entry, where it is a block that was entered
    private long _version;
    private bool _isCaughtUp;

    /// <summary>A watcher that begins while nobody adds to the log.</summary>
    public static Watcher Of(TaskTable table, TrackedTask tracked, LogReader reader, WatchPlan plan) =>
        table.Read(tracked, task => new Watcher(task.Log, reader, task.Status, plan));

    /// <summary>To be made while nobody adds to the log.</summary>
    public Watcher(TaskLog log, LogReader reader, Status status, WatchPlan plan)
    {
        (_log, _reader, _status, _plan, _live) = (log, reader, status, plan, log.Count);
        _liveItems = (log.Last as LogBlock)?.Content?.Count ?? 0;
        _livePlace = log.Latest;
        _place = plan.FromNow ? _livePlace : plan.From;
    }

    public string Place => _place.ToString();

    /// <summary>The end was handed out, or had been seen before.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Whether what comes is the same for it as for all others there: its own beginning is behind it.</summary>
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

    /// <summary>Whether both are told the same from here on.</summary>
    public bool IsBeside(Watcher other) =>
        _next == other._next && _passed == other._passed && _place == other._place && _plan.Filter == other._plan.Filter && IsLikeOthers && other.IsLikeOthers;

    /// <summary>One more that stands there.</summary>
    public Watcher Copy() => (Watcher)MemberwiseClone();

    /// <summary>It was told what the other one was, beside which it stood.</summary>
    public void Follow(Watcher other) => (_next, _passed, _place, HasEnded) = (other._next, other._passed, other._place, other.HasEnded);

    /// <summary>What <see cref="NextAsync"/> gives, of a watcher that has begun; false: that has to be read from Kafka first.</summary>
    /// <param name="read">The content of the entry where it stands, which may not be in memory any more.</param>
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
            var count = _log.Count;   // read before the content: what is followed by another entry grows no more
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
            var (told, behind) = content.Read(item, isHistory ? Math.Min(_liveItems, content.Count) : content.Count);
            var isCut = passed.Seq > content.EndOf(item - 1).Seq;   // the watcher came with a place inside of a record
            var wanted = told is not LinesEvent lines ? told : (isCut ? lines.After(passed.Seq) : lines)?.Of(_plan.Filter);
            _passed = passed = Furthest(content.EndOf(behind - 1), passed);
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
        // Where the request to stop stands among the lines can differ between replicas: it is told once, whatever the cursor's place.
        if (_next == _log.StopIndex)
            return !_seen.StopSeen;
        // A cursor may come from a replica that has read further than this one: what it has seen is passed over when it comes.
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
            _next--;   // it may grow
        _first = new HelloEvent(_log, _place, _status);
        if (!_seen.StopSeen && _log.StopIndex is >= 0 and var stop && stop < _next)
            _second = ((StateEvent)_log[stop]).At(_place with { StopSeen = true });   // its own place in the log lies before the one where this watcher begins
    }

    /// <summary>Where to begin in a block. A cursor may be ahead of its front, also where it comes from a replica that has read further.</summary>
    private Cursor Enter(LogBlock block)
    {
        var front = block.From;
        return front.Attempt < _seen.Attempt ? front with { Seq = long.MaxValue, Events = long.MaxValue }
            : front.Attempt > _seen.Attempt ? front
            : Furthest(front, _seen);
    }

    private static Cursor Furthest(Cursor place, Cursor other) =>
        place with { Seq = Math.Max(place.Seq, other.Seq), Events = Math.Max(place.Events, other.Events) };

    /// <summary>The place that the first line from a time on is behind; where there is none so far, that of now.</summary>
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

    /// <summary>The place that the last lines are behind.</summary>
    private async ValueTask<Cursor> BeforeLastAsync(int tail, CancellationToken cancellationToken)
    {
        var index = _log[_live - 1] is EndEvent ? _live - 1 : _live;   // the end is for everybody
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

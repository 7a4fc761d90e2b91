using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// The encoded content of a <see cref="LogBlock"/>, one item per record. Consecutive lines are joined by commas, so any range of them is the body of
/// a JSON array. One thread adds; others read without a lock, up to the count that they saw.
/// </summary>
/// <param name="front">The place before the first item.</param>
internal sealed class BlockContent(string taskId, Cursor front)
{
    private const int MostBytesAtOnce = 64 * 1024;

    private byte[] _bytes = [];
    private Item[] _items = [];
    private int _count;
    private bool _isSealed;
    private Dictionary<int, GapEvent>? _gaps;   // by item; only in content that was read from Kafka again
    private LinesEvent? _latest;   // shared by all watchers that wait at the end of the log

    public int Count => Volatile.Read(ref _count);

    /// <summary>Encoded bytes.</summary>
    public int Length { get; private set; }

    public long Size => _bytes.Length + (_items.Length * 32L);

    public Cursor End => EndOf(Count - 1);

    public bool IsSealed => Volatile.Read(ref _isSealed);

    /// <summary>Adds a record. Returns its event; null for lines.</summary>
    public WatchEvent? Add(ProgressRecord record, long offset)
    {
        if (record is OutputLines output)
        {
            Add(output.Lines.Json.Span, End with { Seq = output.Lines.Last }, isLines: true);
            return null;
        }
        var place = End with { Events = offset + 1 };
        WatchEvent watchEvent = record switch
        {
            AgentEvent reported => new AgentWatchEvent(taskId, place, reported),
            AttemptInput input => new InputEvent(taskId, place, input),
            AttemptExited exited => new ExitedEvent(taskId, place, exited),
            TaskEmitted emitted => new EmittedEvent(taskId, place, emitted),
            _ => throw new ArgumentException($"{record.GetType().Name} is not an event between lines", nameof(record)),
        };
        Add(watchEvent.Json.Span, place, isLines: false);
        return watchEvent;
    }

    /// <summary>Adds a gap for lines that Kafka no longer has.</summary>
    public void AddGap(long upTo)
    {
        var hole = new OutputHole(front.Attempt, End.Seq + 1, upTo, GapEvent.NotKept);
        var gap = new GapEvent(taskId, End with { Seq = upTo }, hole);
        (_gaps ??= [])[_count] = gap;
        Add(gap.Json.Span, gap.Cursor, isLines: false);
    }

    /// <summary>Null: the item is not a gap.</summary>
    public GapEvent? GapOf(int index) => _gaps?.GetValueOrDefault(index);

    /// <summary>Ends its growth and frees spare memory.</summary>
    public void Seal()
    {
        if (_bytes.Length > Length + (Length / 8))
            Array.Resize(ref _bytes, Length);
        Array.Resize(ref _items, _count);
        Volatile.Write(ref _latest, null);
        Volatile.Write(ref _isSealed, true);
    }

    /// <summary>The first item after a place that was seen; <see cref="Count"/> if there is none.</summary>
    public int FirstBeyond(Cursor seen)
    {
        var (low, high) = (0, Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (EndOf(middle) is var end && (end.Seq > seen.Seq || end.Events > seen.Events))
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    /// <summary>The place after an item; for -1 the place before the first.</summary>
    public Cursor EndOf(int index) => index < 0 ? front : front with { Seq = _items[index].Seq, Events = _items[index].Events };

    /// <summary>The lines of one record; null if the item is not lines.</summary>
    public LinesEvent? LinesOf(int index) => _items[index].IsLines ? LinesOf(index, index) : null;

    /// <summary>The event at an item, and the index of the item after it. Consecutive lines are one event, up to a size.</summary>
    public (WatchEvent Event, int Next) Read(int index, int end)
    {
        if (!_items[index].IsLines)
            return (GapOf(index) as WatchEvent ?? new EncodedEvent(taskId, EndOf(index), _bytes.AsMemory(StartOf(index).._items[index].End)), index + 1);
        var (start, last) = (StartOf(index), index);
        while (last + 1 < end && _items[last + 1].IsLines && _items[last].End - start < MostBytesAtOnce)
            last++;
        var lines = Volatile.Read(ref _latest);
        if (lines is null || lines.FirstItem != index || lines.Cursor != EndOf(last))
        {
            lines = LinesOf(index, last);
            if (!IsSealed)
                Volatile.Write(ref _latest, lines);
        }
        return (lines, last + 1);
    }

    private LinesEvent LinesOf(int first, int last) => new(taskId, EndOf(last), _bytes.AsMemory(StartOf(first).._items[last].End)) { FirstItem = first };

    private int StartOf(int index) => index == 0 ? 0 : _items[index - 1].End + (_items[index].IsLines && _items[index - 1].IsLines ? 1 : 0);

    private void Add(ReadOnlySpan<byte> json, Cursor end, bool isLines)
    {
        var start = Length + (isLines && _count > 0 && _items[_count - 1].IsLines ? 1 : 0);
        if (start + json.Length > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(start + json.Length, _bytes.Length * 2));
        if (_count == _items.Length)
            Array.Resize(ref _items, Math.Max(4, _count * 2));
        if (start > Length)
            _bytes[Length] = (byte)',';
        json.CopyTo(_bytes.AsSpan(start));
        Length = start + json.Length;
        _items[_count] = new Item(Length, isLines, end.Seq, end.Events);
        Volatile.Write(ref _count, _count + 1);
    }

    private readonly record struct Item(int End, bool IsLines, long Seq, long Events);
}

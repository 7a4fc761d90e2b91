using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// What a <see cref="LogBlock"/> holds, encoded: one item for each record. Lines that follow each other are joined by commas, so that any stretch of them is
/// the inside of an event. One thread adds; others read up to the count that they saw, without a lock.
/// </summary>
/// <param name="front">The place in front of it.</param>
internal sealed class BlockContent(string taskId, Cursor front)
{
    private const int MostBytesAtOnce = 64 * 1024;

    private byte[] _bytes = [];
    private Item[] _items = [];
    private int _count;
    private bool _isSealed;
    private Dictionary<int, GapEvent>? _gaps;   // by item; only of content that was read again
    private LinesEvent? _latest;   // what all who wait at the end of the log are given

    public int Count => Volatile.Read(ref _count);

    /// <summary>Of what is encoded, in bytes.</summary>
    public int Length { get; private set; }

    public long Size => _bytes.Length + (_items.Length * 32L);

    public Cursor End => EndOf(Count - 1);

    public bool IsSealed => Volatile.Read(ref _isSealed);

    /// <summary>Takes a record: lines, or what is told as the event that comes back.</summary>
    public WatchEvent? Add(ProgressRecord record, long offset)
    {
        if (record is OutputLines output)
        {
            Add(output.Lines.Json.Span, End with { Seq = output.Lines.Last }, isLines: true);
            return null;
        }
        var place = End with { Events = offset + 1 };
        WatchEvent told = record switch
        {
            AgentEvent noted => new AgentWatchEvent(taskId, place, noted),
            AttemptInput input => new InputEvent(taskId, place, input),
            AttemptExited exited => new ExitedEvent(taskId, place, exited),
            TaskEmitted emitted => new EmittedEvent(taskId, place, emitted),
            _ => throw new ArgumentException($"{record.GetType().Name} is not told in its place", nameof(record)),
        };
        Add(told.Json.Span, place, isLines: false);
        return told;
    }

    /// <summary>Lines of it that Kafka has no more.</summary>
    public void AddGap(long upTo)
    {
        var hole = new OutputHole(front.Attempt, End.Seq + 1, upTo, GapEvent.NotKept);
        var gap = new GapEvent(taskId, End with { Seq = upTo }, hole);
        (_gaps ??= [])[_count] = gap;
        Add(gap.Json.Span, gap.Cursor, isLines: false);
    }

    /// <summary>Null: the item is none.</summary>
    public GapEvent? GapOf(int index) => _gaps?.GetValueOrDefault(index);

    /// <summary>It grows no more.</summary>
    public void Seal()
    {
        if (_bytes.Length > Length + (Length / 8))
            Array.Resize(ref _bytes, Length);
        Array.Resize(ref _items, _count);
        Volatile.Write(ref _latest, null);
        Volatile.Write(ref _isSealed, true);
    }

    /// <summary>The first item that is news for somebody who has seen all up to a place; <see cref="Count"/>: there is none.</summary>
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

    /// <summary>The place behind an item; in front of the first one for -1.</summary>
    public Cursor EndOf(int index) => index < 0 ? front : front with { Seq = _items[index].Seq, Events = _items[index].Events };

    /// <summary>The lines of one record; null: it is none of lines.</summary>
    public LinesEvent? LinesOf(int index) => _items[index].IsLines ? LinesOf(index, index) : null;

    /// <summary>The event of an item, and the item behind it: lines go together, up to a size.</summary>
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

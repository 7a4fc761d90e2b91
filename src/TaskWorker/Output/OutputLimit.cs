using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// How much of an attempt's output is published, over both streams. Where more comes, either the attempt ends, or the middle goes: a tail of up to a
/// quarter of the limit is kept back until the end.
/// </summary>
internal sealed class OutputLimit
{
    private const long LongestTail = 10_000;
    private const long LargestTail = 1024 * 1024;

    private readonly long _lines;   // of the head
    private readonly long _bytes;
    private readonly Action _reached;
    private long _linesTaken;
    private long _bytesTaken;

    /// <param name="reached">Called where the attempt is to end, maybe more than once.</param>
    public OutputLimit(TaskType type, Action reached)
    {
        (_lines, _bytes, _reached) = (type.OutputLines, type.OutputBytes, reached);
        if (type.AtOutputLimit != AtOutputLimit.Cut)
            return;
        var (lines, bytes) = (Math.Min(type.OutputLines / 4, LongestTail), Math.Min(type.OutputBytes / 4, LargestTail));
        (_lines, _bytes) = (_lines - lines, _bytes - bytes);
        Tail = new OutputTail(lines, bytes);
    }

    /// <summary>Takes what is beyond the limit; null where the attempt ends.</summary>
    public OutputTail? Tail { get; }

    /// <summary>Counts a line, and says whether it is to be published now.</summary>
    /// <param name="size">Bytes that the agent printed for it.</param>
    public bool Takes(int size)
    {
        if (Interlocked.Add(ref _bytesTaken, size) - size < _bytes && Interlocked.Increment(ref _linesTaken) <= _lines)
            return true;
        if (Tail is null)
            _reached();
        return false;
    }

    /// <summary>Counts what no line tells of: the rest of one that is too long.</summary>
    public void Count(long size)
    {
        if (size > 0 && Interlocked.Add(ref _bytesTaken, size) > _bytes && Tail is null)
            _reached();
    }
}

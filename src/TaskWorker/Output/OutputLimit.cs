using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Limits an attempt's published output, over both streams. Beyond the limit either the attempt ends, or the middle is left out: a tail of up to a
/// quarter of the limit is held back until the end.
/// </summary>
internal sealed class OutputLimit
{
    private const long LongestTail = 10_000;
    private const long LargestTail = 1024 * 1024;

    private readonly long _lines;   // limits of the head
    private readonly long _bytes;
    private readonly Action _reached;
    private long _linesTaken;
    private long _bytesTaken;

    /// <param name="reached">Called when the attempt must end, possibly more than once.</param>
    public OutputLimit(TaskType type, Action reached)
    {
        (_lines, _bytes, _reached) = (type.OutputLines, type.OutputBytes, reached);
        if (type.AtOutputLimit != AtOutputLimit.Cut)
            return;
        var (lines, bytes) = (Math.Min(type.OutputLines / 4, LongestTail), Math.Min(type.OutputBytes / 4, LargestTail));
        (_lines, _bytes) = (_lines - lines, _bytes - bytes);
        Tail = new OutputTail(lines, bytes);
    }

    /// <summary>Takes what is beyond the limit; null if the attempt ends there.</summary>
    public OutputTail? Tail { get; }

    /// <summary>Counts a line; returns whether to publish it now.</summary>
    /// <param name="size">Bytes that the agent printed for it.</param>
    public bool Takes(int size)
    {
        if (Interlocked.Add(ref _bytesTaken, size) - size < _bytes && Interlocked.Increment(ref _linesTaken) <= _lines)
            return true;
        if (Tail is null)
            _reached();
        return false;
    }

    /// <summary>Counts bytes that are in no line: the rest of a line that is too long.</summary>
    public void Count(long size)
    {
        if (size > 0 && Interlocked.Add(ref _bytesTaken, size) > _bytes && Tail is null)
            _reached();
    }
}

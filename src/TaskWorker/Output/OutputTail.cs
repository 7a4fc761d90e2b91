namespace TaskPipeline.TaskWorker.Output;

/// <summary>The last lines of an output beyond its limit, in bounded memory; lines that it drops are counted.</summary>
internal sealed class OutputTail(long mostLines, long mostBytes)
{
    private readonly Lock _gate = new();
    private readonly Queue<(SpooledLine Line, int Size)> _lines = [];
    private long _bytes;

    /// <summary>Number of dropped lines. Read this and the following properties only after the last line was added.</summary>
    public long LeftOut { get; private set; }

    public long BytesLeftOut { get; private set; }

    public IEnumerable<SpooledLine> Lines => _lines.Select(kept => kept.Line);

    /// <param name="size">Bytes that the agent printed for it.</param>
    public void Add(SpooledLine line, int size)
    {
        lock (_gate)
        {
            _lines.Enqueue((line, size));
            _bytes += size;
            while (_lines.Count > mostLines || _bytes > mostBytes)
            {
                var (_, gone) = _lines.Dequeue();
                _bytes -= gone;
                LeftOut++;
                BytesLeftOut += gone;
            }
        }
    }
}

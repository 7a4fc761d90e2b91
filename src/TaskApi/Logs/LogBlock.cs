using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// A range of a task's log that is also in Kafka: lines and events of one attempt, without entries from other topics in between. It grows while it is
/// the last entry of its log; then it is sealed. Its content can then be dropped and read from Kafka again.
/// </summary>
/// <param name="lane">The partition of <c>task-progress</c> that has its records.</param>
/// <param name="from">The place before its first record.</param>
internal sealed class LogBlock(string taskId, int lane, Cursor from) : LogEntry
{
    private const int FullBytes = 64 * 1024;
    private const int Overhead = 256;   // approximate bytes besides the content

    private BlockContent? _content = new(taskId, from);
    private Claim? _claim;         // of its attempt; emitted events have none
    private List<long>? _events;   // offsets of the records that are not lines
    private Cursor _end;           // set when it is sealed
    private bool _wasRead;

    public string TaskId => taskId;
    public int Lane => lane;
    public Cursor From => from;
    public long FirstOffset { get; private set; } = -1;
    public long LastOffset { get; private set; } = -1;

    /// <summary>When its last record was written.</summary>
    public DateTimeOffset LastAt { get; private set; }

    /// <summary>Bytes of memory with its content, set when it is sealed.</summary>
    public long Size { get; private set; }

    public bool IsFull => Content is { Length: > FullBytes };

    /// <summary>Null: it was dropped.</summary>
    public BlockContent? Content => Volatile.Read(ref _content);

    public override Cursor Cursor => Content is { IsSealed: false } growing ? growing.End : _end;

    /// <summary>The current read of its content from Kafka; guarded by the <see cref="LogReader"/>.</summary>
    public Task<IReadOnlyDictionary<LogBlock, BlockContent>>? Loading { get; set; }

    /// <summary>Adds a record that counts. Returns its event; null for lines.</summary>
    public WatchEvent? Add(ProgressRecord record, long offset)
    {
        if (record is AttemptRecord attempt)
            _claim ??= new Claim(attempt.Epoch, attempt.Owner);
        if (record is not OutputLines)
            (_events ??= []).Add(offset);
        if (FirstOffset < 0)
            FirstOffset = offset;
        (LastOffset, LastAt) = (offset, record.At);
        return Content!.Add(record, offset);
    }

    /// <summary>Whether a record within its range of offsets belongs to it.</summary>
    public bool Has(ProgressRecord record, long offset) => record is OutputLines lines
        ? lines.TaskId == taskId && lines.Attempt == from.Attempt && _claim == new Claim(lines.Epoch, lines.Owner)
        : _events?.BinarySearch(offset) >= 0;

    public void Seal()
    {
        var content = Content!;
        _end = content.End;
        content.Seal();
        Size = content.Size + Overhead;
    }

    public void Keep(BlockContent content) => Volatile.Write(ref _content, content);

    public void GiveUp() => Volatile.Write(ref _content, null);

    /// <summary>Marks it as read.</summary>
    public void Touch()
    {
        if (!Volatile.Read(ref _wasRead))   // a write each time would invalidate the other processors' caches
            Volatile.Write(ref _wasRead, true);
    }

    /// <summary>Whether it was read since the last call.</summary>
    public bool WasTouched() => Interlocked.Exchange(ref _wasRead, false);
}

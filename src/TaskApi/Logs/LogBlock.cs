using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// A stretch of a task's log that Kafka has too: lines and events of one attempt, with nothing between them that comes from elsewhere. It grows while it is
/// the last of its log, and is sealed then; its content may be given up, and read from Kafka again for who comes back to it.
/// </summary>
/// <param name="lane">The partition of <c>task-progress</c> that has its records.</param>
/// <param name="from">The place in front of it.</param>
internal sealed class LogBlock(string taskId, int lane, Cursor from) : LogEntry
{
    private const int FullBytes = 64 * 1024;
    private const int Overhead = 256;   // bytes, about, besides the content

    private BlockContent? _content = new(taskId, from);
    private Claim? _claim;         // of its attempt; what was emitted needs none
    private List<long>? _events;   // offsets of what is no lines
    private Cursor _end;           // once it is sealed
    private bool _wasRead;

    public string TaskId => taskId;
    public int Lane => lane;
    public Cursor From => from;
    public long FirstOffset { get; private set; } = -1;
    public long LastOffset { get; private set; } = -1;

    /// <summary>When its last record was written.</summary>
    public DateTimeOffset LastAt { get; private set; }

    /// <summary>Bytes of memory that it takes with its content, once it is sealed.</summary>
    public long Size { get; private set; }

    public bool IsFull => Content is { Length: > FullBytes };

    /// <summary>Null: it was given up.</summary>
    public BlockContent? Content => Volatile.Read(ref _content);

    public override Cursor Cursor => Content is { IsSealed: false } growing ? growing.End : _end;

    /// <summary>What reads the content from Kafka now; guarded by the <see cref="LogReader"/>.</summary>
    public Task<IReadOnlyDictionary<LogBlock, BlockContent>>? Loading { get; set; }

    /// <summary>Takes a record that counts: lines, or what is told as the event that comes back.</summary>
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

    /// <summary>Whether a record in its stretch of the partition is one of its own.</summary>
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

    /// <summary>Somebody reads it.</summary>
    public void Touch()
    {
        if (!Volatile.Read(ref _wasRead))   // writing it each time would take it from the other processors
            Volatile.Write(ref _wasRead, true);
    }

    /// <summary>Whether somebody has read it since this was asked last.</summary>
    public bool WasTouched() => Interlocked.Exchange(ref _wasRead, false);
}

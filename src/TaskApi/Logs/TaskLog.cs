using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// All watch events of one task, in order. It only grows, by one writer at a time (under the lock of the table of tasks). Any number of watchers read
/// it without a lock, each at its own place and speed.
/// </summary>
internal sealed class TaskLog
{
    private readonly string _taskId;
    private readonly LogMemory _memory;
    private readonly Dictionary<int, long> _accounted = [];   // attempt → last line that was added or reported as missing
    private readonly Func<string?> _projectOf;
    private string? _project;   // set once, with the submission
    private LogEntry[] _entries;
    private int _count = 1;
    private int _stop = -1;
    private long _version;

    /// <summary>The first entry is the submission. Its place is reserved, because later records can be read from Kafka before it.</summary>
    public TaskLog(string taskId, LogMemory memory)
    {
        (_taskId, _memory) = (taskId, memory);
        _projectOf = () => Volatile.Read(ref _project);
        _entries = [new StateEvent(taskId, new Cursor(0, 0, Stage.Begun), new StateChange(Status.Queued), _projectOf), null!];
    }

    public string TaskId => _taskId;

    public ChangeSignal Changed { get; } = new();

    /// <summary>Number of entries. All but the last never change; the last can grow or, if it is the end, be replaced.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Rises with every addition.</summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>Index of the stop request; -1 if there is none.</summary>
    public int StopIndex => Volatile.Read(ref _stop);

    public LogEntry Last => this[Count - 1];

    public bool HasEnded => Last is EndEvent;

    public Cursor Latest => Last.Cursor;

    /// <summary>Read <see cref="Count"/> first: then this array holds the index.</summary>
    public LogEntry this[int index] => Volatile.Read(ref _entries)[index];

    /// <summary>Binary search for the first entry with news, as places only rise along the log; <paramref name="count"/> if there is none.</summary>
    public int FirstBeyond(Cursor seen, int count)
    {
        var (low, high) = (0, count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (this[middle].Cursor is var cursor && (cursor.IsBeyond(seen) || cursor.Events > seen.Events))
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    /// <summary>Whether there is something after a place.</summary>
    public bool HasNewsFor(Cursor seen) => Latest is var latest && (latest.IsBeyond(seen) || latest.Events > seen.Events || latest.StopSeen != seen.StopSeen);

    /// <summary>The task's states so far, in order.</summary>
    public IEnumerable<StateEvent> States => _entries.Take(_count).OfType<StateEvent>();

    /// <summary>Replaces the first event. No watcher has read it, because nobody can watch before the submission is known.</summary>
    public void Submitted(TaskSubmission task, DateTimeOffset at)
    {
        Volatile.Write(ref _project, task.Project);
        // Taken from the submission, so that every replica has the same event, even one that never read the task's schedule entry.
        var status = task.RunAt is null ? Status.Queued : Status.Scheduled;
        _entries[0] = new StateEvent(_taskId, _entries[0].Cursor, new StateChange(status) { At = at, DueAt = task.RunAt }, _projectOf);
    }

    public StateEvent StateChanged(int attempt, Stage stage, StateChange change)
    {
        var cursor = Latest.Attempt == attempt ? Latest with { Stage = stage } : Latest with { Attempt = attempt, Seq = 0, Stage = stage };
        return Append(new StateEvent(_taskId, cursor, change, _projectOf));
    }

    public StateEvent StopRequested(StateChange change)
    {
        Volatile.Write(ref _stop, _count);
        return Append(new StateEvent(_taskId, Latest with { StopSeen = true }, change, _projectOf));
    }

    public void Add(OutputLines record, int lane, long offset)
    {
        AccountFor(record.Attempt, record.Lines.First - 1);
        Add(record, record.Attempt, lane, offset);
        _accounted[record.Attempt] = record.Lines.Last;
    }

    /// <summary>Adds a gap for lines that the worker did not store.</summary>
    public void LeftOut(OutputGap gap)
    {
        AccountFor(gap.Attempt, gap.From - 1);
        AccountFor(gap.Attempt, gap.To, gap.Reason.Word());
    }

    public void Add(TaskEmitted record, int lane, long offset) => Add(record, Latest.Attempt, lane, offset);

    public WatchEvent Add(AgentEvent record, int lane, long offset) => Add(record, record.Attempt, lane, offset)!;

    public void Add(AttemptInput record, int lane, long offset) => Add(record, record.Attempt, lane, offset);

    /// <summary>The last record of the attempt: no line follows it.</summary>
    public void Add(AttemptExited record, int lane, long offset)
    {
        AccountFor(record.Attempt, record.Lines);
        Add(record, record.Attempt, lane, offset);
    }

    /// <summary>An attempt was paused or resumed.</summary>
    public StateEvent PauseChanged(StateChange change, long offset) =>
        Append(new StateEvent(_taskId, Latest with { Events = offset + 1 }, change, _projectOf) { IsPlacedByOffset = true });

    /// <param name="stop">The request to stop it, if there was one.</param>
    public EndEvent End(TaskState state, ControlRecord? stop)
    {
        AccountFor(state);
        return Append(new EndEvent(_taskId, Latest with { EndSeen = true }, state, stop));
    }

    /// <summary>Replaces the end: a request to stop it was read after the end.</summary>
    public void EndAgain(TaskState state, ControlRecord stop) => _entries[_count - 1] = new EndEvent(_taskId, Latest, state, stop);

    /// <summary>These attempts are over: lines that are still missing will never arrive.</summary>
    public void AccountFor(TaskState state)
    {
        foreach (var attempt in state.Attempts)
            AccountFor(attempt.Attempt, attempt.Lines);
    }

    /// <summary>Lines up to here exist. Adds a gap for those that never arrived.</summary>
    private void AccountFor(int attempt, long upTo, string reason = GapEvent.NotKept)
    {
        var seen = _accounted.GetValueOrDefault(attempt);
        if (upTo <= seen)
            return;
        _accounted[attempt] = upTo;
        // If nothing of an attempt is left, its gap is added late, at the end. The place of a later attempt must not go backwards.
        var cursor = attempt >= Latest.Attempt ? PlaceIn(attempt) with { Seq = upTo } : Latest;
        Append(new GapEvent(_taskId, cursor, new OutputHole(attempt, seen + 1, upTo, reason)));
    }

    private WatchEvent? Add(ProgressRecord record, int attempt, int lane, long offset)
    {
        var block = Last is LogBlock { IsFull: false } open && open.From.Attempt == attempt && open.Lane == lane
            ? open
            : Append(new LogBlock(_taskId, lane, PlaceIn(attempt)));
        var watchEvent = block.Add(record, offset);
        Volatile.Write(ref _version, _version + 1);
        return watchEvent;
    }

    private Cursor PlaceIn(int attempt) => Latest.Attempt == attempt ? Latest : Latest with { Attempt = attempt, Seq = 0, Stage = Stage.Begun };

    private T Append<T>(T added) where T : LogEntry
    {
        if (Last is LogBlock open)
        {
            open.Seal();
            _memory.Add(open);
        }
        if (_count == _entries.Length)
        {
            var larger = new LogEntry[_entries.Length * 2];
            _entries.CopyTo(larger, 0);
            Volatile.Write(ref _entries, larger);
        }
        _entries[_count] = added;
        Volatile.Write(ref _count, _count + 1);
        Volatile.Write(ref _version, _version + 1);
        return added;
    }
}

/// <summary>An entry of a task's log: one event, or a block of many.</summary>
internal abstract class LogEntry
{
    /// <summary>The place after it.</summary>
    public abstract Cursor Cursor { get; }
}

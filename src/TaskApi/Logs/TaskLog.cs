using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// Everything watchers are told of one task, in order. It is only ever added to, by one writer at a time (the lock of the table of tasks);
/// any number of watchers read it without a lock, each at its own place and speed, and cost it nothing.
/// </summary>
internal sealed class TaskLog
{
    private readonly string _taskId;
    private readonly LogMemory _memory;
    private readonly Dictionary<int, long> _accounted = [];   // attempt → last line that was added, or told to be missing
    private readonly Func<string?> _projectOf;
    private string? _project;   // known with the submission, and never changed then
    private LogEntry[] _entries;
    private int _count = 1;
    private int _stop = -1;
    private long _version;

    /// <summary>The first entry is the submission. It may be read from Kafka after records that belong behind it; its place is kept.</summary>
    public TaskLog(string taskId, LogMemory memory)
    {
        (_taskId, _memory) = (taskId, memory);
        _projectOf = () => Volatile.Read(ref _project);
        _entries = [new StateEvent(taskId, new Cursor(0, 0, Stage.Begun), new StateChange(Status.Queued), _projectOf), null!];
    }

    public string TaskId => _taskId;

    public ChangeSignal Changed { get; } = new();

    /// <summary>How many entries there are. All but the last never change; that may grow or, where it is the end, be replaced.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Rises with everything that is added.</summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>Where the request to stop stands; -1: nowhere.</summary>
    public int StopIndex => Volatile.Read(ref _stop);

    public LogEntry Last => this[Count - 1];

    public bool HasEnded => Last is EndEvent;

    public Cursor Latest => Last.Cursor;

    /// <summary>The count is read before: whoever knows an index sees an array that holds it.</summary>
    public LogEntry this[int index] => Volatile.Read(ref _entries)[index];

    /// <summary>
    /// Places only rise along the log, so the first entry with something that is news is found by halving; <paramref name="count"/>: there is none.
    /// </summary>
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

    /// <summary>Whether there is something behind a place.</summary>
    public bool HasNewsFor(Cursor seen) => Latest is var latest && (latest.IsBeyond(seen) || latest.Events > seen.Events || latest.StopSeen != seen.StopSeen);

    /// <summary>How the task came to where it stands.</summary>
    public IEnumerable<StateEvent> States => _entries.Take(_count).OfType<StateEvent>();

    /// <summary>Before this nobody can watch, so nobody has read the event that is replaced.</summary>
    public void Submitted(TaskSubmission task, DateTimeOffset at)
    {
        Volatile.Write(ref _project, task.Project);
        // Said by the submission itself, so that every replica tells it, also one that never saw the task's schedule entry.
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

    /// <summary>Lines that nobody kept.</summary>
    public void LeftOut(OutputGap gap)
    {
        AccountFor(gap.Attempt, gap.From - 1);
        AccountFor(gap.Attempt, gap.To, gap.Reason.Word());
    }

    public void Add(TaskEmitted record, int lane, long offset) => Add(record, Latest.Attempt, lane, offset);

    public WatchEvent Add(AgentEvent record, int lane, long offset) => Add(record, record.Attempt, lane, offset)!;

    public void Add(AttemptInput record, int lane, long offset) => Add(record, record.Attempt, lane, offset);

    /// <summary>No line of the attempt comes behind it.</summary>
    public void Add(AttemptExited record, int lane, long offset)
    {
        AccountFor(record.Attempt, record.Lines);
        Add(record, record.Attempt, lane, offset);
    }

    /// <summary>An attempt stands still, or goes on.</summary>
    public StateEvent PauseChanged(StateChange change, long offset) =>
        Append(new StateEvent(_taskId, Latest with { Events = offset + 1 }, change, _projectOf) { IsPlacedByOffset = true });

    /// <param name="stop">The request to stop it, where there was one.</param>
    public EndEvent End(TaskState state, ControlRecord? stop)
    {
        AccountFor(state);
        return Append(new EndEvent(_taskId, Latest with { EndSeen = true }, state, stop));
    }

    /// <summary>A request to stop it was read after the end.</summary>
    public void EndAgain(TaskState state, ControlRecord stop) => _entries[_count - 1] = new EndEvent(_taskId, Latest, state, stop);

    /// <summary>These attempts are over: lines of theirs that did not come so far never will.</summary>
    public void AccountFor(TaskState state)
    {
        foreach (var attempt in state.Attempts)
            AccountFor(attempt.Attempt, attempt.Lines);
    }

    /// <summary>Lines up to here exist. Those that never came are named as missing.</summary>
    private void AccountFor(int attempt, long upTo, string reason = GapEvent.NotKept)
    {
        var seen = _accounted.GetValueOrDefault(attempt);
        if (upTo <= seen)
            return;
        _accounted[attempt] = upTo;
        // The gap of an attempt that nothing is left of comes late, at the end: the place of a later attempt must not go backwards.
        var cursor = attempt >= Latest.Attempt ? PlaceIn(attempt) with { Seq = upTo } : Latest;
        Append(new GapEvent(_taskId, cursor, new OutputHole(attempt, seen + 1, upTo, reason)));
    }

    private WatchEvent? Add(ProgressRecord record, int attempt, int lane, long offset)
    {
        var block = Last is LogBlock { IsFull: false } open && open.From.Attempt == attempt && open.Lane == lane
            ? open
            : Append(new LogBlock(_taskId, lane, PlaceIn(attempt)));
        var told = block.Add(record, offset);
        Volatile.Write(ref _version, _version + 1);
        return told;
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

/// <summary>What stands in a task's log: one event, or a block of many.</summary>
internal abstract class LogEntry
{
    /// <summary>The place behind it.</summary>
    public abstract Cursor Cursor { get; }
}

using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>The entries of <c>task-schedule</c> in the order in which this replica will handle them: one queue, and one loop that looks at its head.</summary>
internal sealed class Schedule(ReplicaDelay turns, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ScheduleEntry> _entries = [];
    // can hold an entry twice; the one with its current turn counts
    private readonly PriorityQueue<ScheduleEntry, (DateTimeOffset At, long Number)> _queue = new();
    private long _number;

    /// <summary>Raised when an entry becomes the first.</summary>
    public ChangeSignal Changed { get; } = new();

    /// <summary>False: there is already an entry with its key, which stays.</summary>
    public bool Add(ScheduleEntry entry)
    {
        lock (_gate)
        {
            if (!_entries.TryAdd(entry.Key, entry))
                return false;
            var delay = turns.DelayFor(entry.Lane);
            if (entry.DueAt is { } due)
                Enqueue(entry, due < DateTimeOffset.MaxValue - delay ? due + delay : due);
            return true;
        }
    }

    /// <summary>It no longer waits for its time.</summary>
    public void MakeDue(ScheduleEntry entry)
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow() + turns.DelayFor(entry.Lane);
            if (IsThere(entry) && !(entry.TurnAt < now))
                Enqueue(entry, now);
        }
    }

    /// <summary>Its tombstone was read. Null: there was no such entry.</summary>
    public ScheduleEntry? Remove(string key)
    {
        lock (_gate)
            return _entries.Remove(key, out var entry) ? entry : null;
    }

    /// <summary>
    /// Takes up to <paramref name="most"/> entries whose turn has come, in order. If there are none, <paramref name="wait"/> is the time to the first.
    /// </summary>
    public IReadOnlyList<ScheduleEntry> TakeDue(int most, out TimeSpan wait)
    {
        List<ScheduleEntry> due = [];
        lock (_gate)
        {
            wait = Timeout.InfiniteTimeSpan;
            var now = clock.GetUtcNow();
            while (due.Count < most && _queue.TryPeek(out var entry, out var turn))
            {
                if (IsThere(entry) && entry.TurnAt == turn.At)
                {
                    if (turn.At > now)
                    {
                        wait = turn.At - now;
                        break;
                    }
                    entry.TurnAt = null;
                    due.Add(entry);
                }
                _queue.Dequeue();
            }
        }
        return due;
    }

    /// <summary>An entry that was taken could not be written: it is still due.</summary>
    public void PutBack(ScheduleEntry entry)
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow();
            if (IsThere(entry))
                Enqueue(entry, entry.DueAt < now ? entry.DueAt.Value : now);   // an entry of MakeDue can have a later time
        }
    }

    private bool IsThere(ScheduleEntry entry) => _entries.GetValueOrDefault(entry.Key) == entry;

    private void Enqueue(ScheduleEntry entry, DateTimeOffset at)
    {
        var isFirst = !_queue.TryPeek(out _, out var first) || at < first.At;
        entry.TurnAt = at;
        _queue.Enqueue(entry, (at, _number++));
        if (isFirst)
            Changed.Raise();
    }
}

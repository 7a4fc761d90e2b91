using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// What waits in <c>task-schedule</c>, in the order of this replica's turns. Whatever the number of entries, there is one queue and one loop that
/// looks at its head.
/// </summary>
internal sealed class Schedule(ReplicaDelay turns, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ScheduleEntry> _entries = [];
    // may hold an entry twice: that of its present turn counts
    private readonly PriorityQueue<ScheduleEntry, (DateTimeOffset At, long Number)> _queue = new();
    private long _number;

    /// <summary>Raised when there is an entry that comes before all others.</summary>
    public ChangeSignal Changed { get; } = new();

    /// <summary>False: there is one of its key already, which stays.</summary>
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

    /// <summary>It does not wait for its time any longer.</summary>
    public void MakeDue(ScheduleEntry entry)
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow() + turns.DelayFor(entry.Lane);
            if (IsThere(entry) && !(entry.TurnAt < now))
                Enqueue(entry, now);
        }
    }

    /// <summary>There is its tombstone; null: there was no such entry.</summary>
    public ScheduleEntry? Remove(string key)
    {
        lock (_gate)
            return _entries.Remove(key, out var entry) ? entry : null;
    }

    /// <summary>Takes up to <paramref name="most"/> entries whose turn has come, in order; where there is none, says how long that will be so.</summary>
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

    /// <summary>It was taken and could not be written: it is due still.</summary>
    public void PutBack(ScheduleEntry entry)
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow();
            if (IsThere(entry))
                Enqueue(entry, entry.DueAt < now ? entry.DueAt.Value : now);   // one that was hurried is not due by itself
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

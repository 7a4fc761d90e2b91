using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>A dead letter and its resolutions so far.</summary>
/// <param name="Id">The task's id, or <c>raw-{lane}-{offset}</c> for a record that could not be read.</param>
/// <param name="Place">Its number in the order of the topic.</param>
internal sealed record DeadLetterEntry(string Id, int Place, DeadLetter Letter, IReadOnlyList<DeadLetterResolution> Resolutions)
{
    public bool IsResolved => Resolutions.Count > 0;

    /// <summary>The tasks that were submitted in its place, in order.</summary>
    public IReadOnlyList<string> Redrives { get; } =
        [.. Resolutions.Where(resolution => resolution.Action == DeadLetterAction.Redriven).Select(resolution => resolution.NewTaskId!)];
}

/// <summary>
/// All dead letters in <c>tasks-dlq</c>. The tail adds what it reads, and requests add what Kafka has acknowledged. Entries are immutable; a
/// resolution replaces one.
/// </summary>
internal sealed class DeadLetterTable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _places = [];
    private readonly List<DeadLetterEntry> _entries = [];

    /// <summary>Adds a letter; a duplicate is ignored.</summary>
    public void Add(DeadLetter letter)
    {
        var id = letter.TaskId ?? letter.Task?.TaskId ?? $"raw-{letter.Lane}-{letter.Offset}";
        lock (_gate)
        {
            if (_places.TryAdd(id, _entries.Count))
                _entries.Add(new DeadLetterEntry(id, _entries.Count, letter, []));
        }
    }

    /// <summary>Adds a resolution. Ignored: one that is already known, and one whose letter retention has removed.</summary>
    public void Add(DeadLetterResolution resolution)
    {
        lock (_gate)
        {
            if (_places.TryGetValue(resolution.TaskId, out var place) && _entries[place] is var entry && IsNew(entry, resolution))
                _entries[place] = new DeadLetterEntry(entry.Id, place, entry.Letter, [.. entry.Resolutions, resolution]);
        }
    }

    public DeadLetterEntry? Find(string id)
    {
        lock (_gate)
            return _places.TryGetValue(id, out var place) ? _entries[place] : null;
    }

    /// <summary>Up to <paramref name="limit"/> letters after an entry, newest first.</summary>
    public IReadOnlyList<DeadLetterEntry> NewestFirst(DeadLetterFilter filter, DeadLetterEntry? after, int limit)
    {
        lock (_gate)
        {
            var count = after?.Place ?? _entries.Count;
            return [.. Enumerable.Range(1, count).Select(step => _entries[count - step]).Where(filter.Passes).Take(limit)];
        }
    }

    /// <summary>The first letters, oldest first.</summary>
    public IReadOnlyList<DeadLetterEntry> OldestFirst(DeadLetterFilter filter, int limit)
    {
        lock (_gate)
            return [.. _entries.Where(filter.Passes).Take(limit)];
    }

    private static bool IsNew(DeadLetterEntry entry, DeadLetterResolution resolution) =>
        resolution.Action == DeadLetterAction.Discarded
            ? entry.Resolutions is not [.., { Action: DeadLetterAction.Discarded }]
            : resolution.NewTaskId is not null && !entry.Redrives.Contains(resolution.NewTaskId);
}

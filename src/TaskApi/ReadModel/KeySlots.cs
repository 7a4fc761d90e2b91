using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>Number of unended tasks in each slot of each concurrency key. Guarded by the lock of <see cref="TaskTable"/>.</summary>
internal sealed class KeySlots
{
    private readonly Dictionary<(string Project, string Key), Dictionary<int, int>> _keys = [];

    /// <summary>The slot with the fewest tasks.</summary>
    public int Choose(TaskSubmission task)
    {
        var slots = _keys.GetValueOrDefault((task.Project, task.Concurrency!.Key));
        return slots is null ? 0 : Enumerable.Range(0, task.Concurrency.Limit).MinBy(slots.GetValueOrDefault);
    }

    public void Add(TaskSubmission task, int count)
    {
        if (task.Concurrency is not { } concurrency)
            return;
        var key = (task.Project, concurrency.Key);
        if (!_keys.TryGetValue(key, out var slots))
            _keys[key] = slots = [];
        slots[concurrency.Slot] = slots.GetValueOrDefault(concurrency.Slot) + count;
        if (slots[concurrency.Slot] == 0)
            slots.Remove(concurrency.Slot);
        if (slots.Count == 0)
            _keys.Remove(key);
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>Chooses the lane of a new task, and the slot of its concurrency key.</summary>
/// <param name="gate">The lock of <see cref="TaskTable"/>, which guards the lanes.</param>
internal sealed class Placement(Lock gate, Lane[] lanes)
{
    private readonly KeySlots _slots = new();
    private int _turn;

    /// <summary>
    /// For a task whose caller chose no id: it should not wait behind a long task while another worker is free. Slot and lane count it from now on;
    /// <see cref="Arrived"/> must follow.
    /// </summary>
    public (TaskSubmission Task, int Lane) Choose(TaskSubmission task)
    {
        lock (gate)
        {
            if (task.Concurrency is { } concurrency)
                task = task with { Concurrency = concurrency with { Slot = _slots.Choose(task) } };
            var lane = task.Concurrency is null ? ChooseLane() : LaneOf(task.Project, task.Concurrency);
            lanes[lane].OnTheirWay++;
            _slots.Add(task, 1);
            return (task, lane);
        }
    }

    /// <summary>The write of the task has ended, with or without success.</summary>
    public void Arrived(TaskSubmission task, int lane)
    {
        lock (gate)
        {
            lanes[lane].OnTheirWay--;
            _slots.Add(task, -1);
        }
    }

    /// <summary>For a task whose caller chose the id: the place is the same on every replica.</summary>
    public (TaskSubmission Task, int Lane) ById(TaskSubmission task)
    {
        if (task.Concurrency is not { } concurrency)
            return (task, (int)(Hash(task.TaskId) % (uint)lanes.Length));
        concurrency = concurrency with { Slot = (int)(Hash(task.TaskId) % (uint)concurrency.Limit) };
        return (task with { Concurrency = concurrency }, LaneOf(task.Project, concurrency));
    }

    /// <summary>An unended task was added or removed. The caller holds the table's lock.</summary>
    public void Count(TaskSubmission task, int count) => _slots.Add(task, count);

    /// <summary>All tasks of a slot are in one lane, so that one worker decides which of them runs.</summary>
    private int LaneOf(string project, Concurrency concurrency) => (int)(Hash($"{project}/{concurrency.Key}/{concurrency.Slot}") % (uint)lanes.Length);

    /// <summary>The least loaded lane of the least loaded worker; round robin among equals.</summary>
    private int ChooseLane()
    {
        foreach (var lane in lanes)
            lane.Owner.Load = 0;
        foreach (var lane in lanes)
            lane.Owner.Load += lane.Load;
        _turn = (_turn + 1) % lanes.Length;
        var best = _turn;
        var lowest = ScoreOf(lanes[best]);
        for (var step = 1; step < lanes.Length; step++)
        {
            var candidate = (_turn + step) % lanes.Length;
            if (ScoreOf(lanes[candidate]) is var score && score.CompareTo(lowest) < 0)
                (best, lowest) = (candidate, score);
        }
        return best;
    }

    private static (bool IsOccupied, int OwnersLoad, int Load) ScoreOf(Lane lane) => (lane.Owner.IsOccupied, lane.Owner.Load, lane.Load);

    private static uint Hash(string text) => BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}

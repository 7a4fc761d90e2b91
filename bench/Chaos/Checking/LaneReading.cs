using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>
/// One lane of <c>task-progress</c>, read in order by the rules of docs/protocol.md. It shares no code with the pipeline, so that it does not repeat the
/// pipeline's mistakes.
/// </summary>
internal sealed class LaneReading(Dictionary<string, TaskReading> tasks, Action<Finding> report)
{
    private const long MostEpoch = 1L << 30;   // no owner writes a higher epoch

    private (long Epoch, string? Owner)? _claim;
    private HashSet<(string?, long?)> _kept = [];

    public void Read(LogRecord record)
    {
        if (record.Json is not { } json)
            return;
        var kind = json.Text("kind");
        if (kind == "barrier")
            Raise(json);
        else if (json.Text("task_id") is { } taskId)
        {
            if (!tasks.TryGetValue(taskId, out var task))
                tasks[taskId] = task = new TaskReading(taskId, report);
            if (kind == "ended")
                task.End(record.Offset, json);
            else if (json.Number("attempt") is { } attempt && Counts(json, taskId, attempt))
                task.Read(kind, (int)attempt, json);
        }
    }

    private void Raise(JsonElement barrier)
    {
        var claim = (Epoch: barrier.Number("epoch") ?? 0, Owner: barrier.Text("owner"));
        if (claim.Epoch > MostEpoch || (_claim is { } current && claim.Epoch < current.Epoch))
            return;
        _claim = claim;
        _kept = [.. barrier.Items("keeps").Select(kept => (kept.Text("task_id"), kept.Number("attempt")))];
        foreach (var task in tasks.Values)
            if (task.Open is { } open && (open.Epoch, open.Owner) != claim && !_kept.Contains((task.TaskId, open.Number)))
                task.Lose();
    }

    private bool Counts(JsonElement json, string taskId, long attempt) =>
        _claim is not { } claim
        || (json.Number("epoch") > claim.Epoch && json.Number("epoch") <= MostEpoch)
        || (json.Number("epoch") == claim.Epoch && json.Text("owner") == claim.Owner)
        || _kept.Contains((taskId, attempt));
}

using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Workers;

public sealed record WorkerList(IReadOnlyList<WorkerView> Workers);

/// <param name="Version">Version of the program.</param>
/// <param name="HeartbeatAge">Seconds since the worker's last heartbeat.</param>
/// <param name="Lost">Its heartbeat is overdue.</param>
/// <param name="Away">It has left the group for the duration of its task; other workers have its lanes.</param>
/// <param name="Lanes">The lanes that it owns.</param>
/// <param name="Waiting">Number of tasks that wait in its lanes, as far as it has read them.</param>
/// <param name="Task">The task that it runs; missing if it runs none.</param>
/// <param name="Warnings">Its warnings for people; missing if there are none.</param>
/// <param name="ClockAhead">Seconds by which its machine's clock is ahead of Kafka's, negative if it is behind; only if 5 or more either way.</param>
public sealed record WorkerView(
    string Worker, string Host, int Pid, string Version, DateTimeOffset StartedAt, double HeartbeatAge, bool Lost, bool Away, IReadOnlyList<int> Lanes,
        int Waiting, WorkerTaskView? Task = null, IReadOnlyList<string>? Warnings = null,
    double? ClockAhead = null);

/// <param name="Elapsed">Seconds since the attempt began.</param>
/// <param name="Pid">The agent's process id; missing before it is spawned.</param>
public sealed record WorkerTaskView(string TaskId, int Attempt, double Elapsed, int? Pid = null);

public sealed record QueueView(IReadOnlyList<QueueLane> Lanes);

/// <param name="Unfinished">Number of tasks that wait or run in the lane.</param>
/// <param name="Paused">Its owner does not read more of it until it has done some of the tasks that it has read.</param>
/// <param name="OldestAge">Seconds since the oldest of them entered the lane.</param>
/// <param name="Owner">The worker that runs its tasks, if known.</param>
/// <param name="Head">The oldest of them.</param>
public sealed record QueueLane(int Lane, int Unfinished, bool Paused, double? OldestAge = null, string? Owner = null, string? Head = null);

internal static class WorkerEndpoints
{
    public static readonly TimeSpan LostAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LeftOutAfter = TimeSpan.FromMinutes(10);

    public static WorkerList Workers(WorkerTable workers, TimeProvider clock)
    {
        var now = clock.GetUtcNow();
        return new WorkerList([.. workers.Since(now - LeftOutAfter).Select(worker => new WorkerView(
            worker.Worker,
            worker.Host,
            worker.Pid,
            worker.Version,
            worker.StartedAt,
            Seconds(now - worker.At),
            now - worker.At > LostAfter,
            worker.Away,
            worker.Lanes,
            worker.Waiting,
            worker.Task is { } task ? new WorkerTaskView(task.TaskId, task.Attempt, Seconds(now - task.StartedAt), task.Pid) : null,
            worker.Warnings,
            worker.ClockAhead))]);
    }

    /// <summary>The warnings of the workers that are not lost.</summary>
    public static IEnumerable<string> Warnings(WorkerTable workers, TimeProvider clock) =>
        workers.Since(clock.GetUtcNow() - LostAfter).SelectMany(worker => (worker.Warnings ?? []).Select(warning => $"worker {worker.Worker}: {warning}"));

    public static QueueView Queue(TaskTable table, WorkerTable workers, TimeProvider clock)
    {
        var now = clock.GetUtcNow();
        var paused = workers.Since(now - LostAfter).SelectMany(worker => worker.Paused.Select(lane => (worker.Worker, lane))).ToHashSet();
        return new QueueView(table.Lanes((number, lane) =>
        {
            var head = lane.Unfinished.Values.FirstOrDefault();
            return new QueueLane(number, lane.Unfinished.Count, paused.Contains((lane.Owner.Name, number)))
            {
                OldestAge = head is null ? null : Seconds(now - head.Record!.At),
                Owner = lane.Owner.Name is { Length: > 0 } owner ? owner : null,
                Head = head?.TaskId,
            };
        }));
    }

    // Two machines' clocks: a worker's latest time can be in the future.
    private static double Seconds(TimeSpan span) => Math.Max(0, Math.Round(span.TotalSeconds, 1));
}

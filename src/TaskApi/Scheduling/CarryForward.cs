using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Submitting;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Scheduling;

/// <summary>
/// Retention would take the record of a task that waits or runs for too long: it is put into <c>tasks</c> again before. For whoever knows the first one
/// the copy is a double.
/// </summary>
internal sealed class CarryForward(TaskTable table, TaskWriter writer, KafkaTails tails, ReplicaTurns turns, TimeProvider clock, IOptions<KafkaOptions> options) : BackgroundService
{
    private const double AtShareOfRetention = 0.8;
    private static readonly TimeSpan LongestInterval = TimeSpan.FromMinutes(1);

    private readonly TimeSpan _retention = options.Value.TaskRetention;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await tails.CaughtUp.WaitAsync(stoppingToken);
            using var timer = new PeriodicTimer(_retention / 50 < LongestInterval ? _retention / 50 : LongestInterval, clock);
            do
                foreach (var lane in table.QueuedBefore(clock.GetUtcNow() - (_retention * AtShareOfRetention)).GroupBy(tracked => tracked.Lane).ToList())
                    await CarryAsync(lane.Key, lane, stoppingToken);
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task CarryAsync(int lane, IEnumerable<TrackedTask> old, CancellationToken stoppingToken)
    {
        await Task.Delay(turns.DelayFor(lane), clock, stoppingToken);
        var before = clock.GetUtcNow() - (_retention * AtShareOfRetention);
        foreach (var tracked in old)
            // A copy that Kafka does not take is tried again in the next round.
            if (table.Read(tracked, task => task.CopyIfOlderThan(before)) is { } copy)
                await writer.SubmitAsync(copy, lane);
    }
}

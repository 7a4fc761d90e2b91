using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Scheduling;

/// <summary>
/// Keeps retention from removing what an unended task depends on: its record is written to <c>tasks</c> again in time, and the state of its attempts
/// to <c>task-progress</c>. Readers that already know it treat both as duplicates.
/// </summary>
internal sealed class RetentionRenewal(TaskTable table, RecordWriter writer, KafkaTails tails, ReplicaDelay turns, KafkaCluster cluster, BrokerClock clock,
    IOptions<KafkaOptions> options) : BackgroundService
{
    private const double AtShareOfRetention = 0.8;
    private static readonly TimeSpan LongestInterval = TimeSpan.FromMinutes(1);

    private readonly TimeSpan _interval = new[] { options.Value.TaskRetention / 50, options.Value.ProgressRetention / 50, LongestInterval }.Min();

    private DateTimeOffset OldestRecord => clock.GetUtcNow() - (options.Value.TaskRetention * AtShareOfRetention);
    private DateTimeOffset OldestStory => clock.GetUtcNow() - (options.Value.ProgressRetention * AtShareOfRetention);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.WhenAll(tails.CaughtUp, clock.Measured).WaitAsync(stoppingToken);
            using var timer = new PeriodicTimer(_interval, clock);
            do
                for (var lane = 0; lane < cluster.Topics.Lanes; lane++)
                    if (table.QueuedBefore(OldestRecord, lane).Count > 0 || table.KnownBefore(OldestStory, lane).Count > 0)
                        await RenewAsync(lane, stoppingToken);
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    /// <summary>A failed write is repeated in the next round.</summary>
    private async Task RenewAsync(int lane, CancellationToken stoppingToken)
    {
        await Task.Delay(turns.DelayFor(lane), clock, stoppingToken);   // by then another replica has often done it
        foreach (var tracked in table.QueuedBefore(OldestRecord, lane))
            if (table.Read(tracked, task => task.CopyIfOlderThan(OldestRecord)) is { } copy)
                await writer.SubmitAsync(copy, lane);
        foreach (var snapshot in table.KnownBefore(OldestStory, lane))
            await writer.SnapshotAsync(snapshot with { At = clock.GetUtcNow() }, lane);
    }
}

using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Scheduling;

/// <summary>
/// Moves due entries from <c>task-schedule</c> to <c>tasks</c>, then writes their tombstones. It can happen twice, if this process dies in between or
/// replicas do it at the same moment: workers ignore a record whose attempt is not the task's next.
/// </summary>
internal sealed partial class Scheduler(
    Schedule schedule, TaskTable table, RecordWriter writer, KafkaTails tails, BrokerClock clock, ILogger<Scheduler> logger) : BackgroundService
{
    private const int MostAtOnce = 256;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);   // the clock can be set meanwhile
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await tails.CaughtUp.WaitAsync(stoppingToken);   // before that, stops and ends may still be unread
            await clock.Measured.WaitAsync(stoppingToken);
            while (true)
                await FireDueAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task FireDueAsync(CancellationToken stoppingToken)
    {
        var changed = schedule.Changed.Next;
        var due = schedule.TakeDue(MostAtOnce, out var wait);
        if (due.Count == 0)
        {
            // Rounded up: a timer that fires too early would make the loop spin.
            var milliseconds = wait == Timeout.InfiniteTimeSpan ? LongestWait.TotalMilliseconds
                : Math.Min(Math.Ceiling(wait.TotalMilliseconds), LongestWait.TotalMilliseconds);
            await changed.WaitAsync(TimeSpan.FromMilliseconds(milliseconds), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stoppingToken.ThrowIfCancellationRequested();
            return;
        }
        // All are handed to the client in order; only then are they awaited.
        var written = await Task.WhenAll(due.Select(FireAsync)).WaitAsync(stoppingToken);
        var failed = written.Count(isWritten => !isWritten);
        if (failed == 0)
            return;
        LogNotTaken(logger, failed, RetryPause);
        await Task.Delay(RetryPause, clock, stoppingToken);
    }

    private async Task<bool> FireAsync(ScheduleEntry entry)
    {
        var isFired = !table.IsWanted(entry) || await writer.SubmitAsync(entry.Task, entry.Lane) is not null;
        if (isFired && await writer.ForgetScheduledAsync(entry.Key, entry.Lane))
            return true;
        schedule.PutBack(entry);
        return false;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka did not acknowledge {Count} due scheduled tasks; retry in {Pause}")]
    private static partial void LogNotTaken(ILogger logger, int count, TimeSpan pause);
}

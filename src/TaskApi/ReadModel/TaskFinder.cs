using System.Globalization;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// Finds the task of a request. Links carry the offset of its record: a replica that has not read so far waits for a limited time, instead of
/// answering that there is no such task.
/// </summary>
internal sealed class TaskFinder(TaskTable table, Changes changes, KafkaCluster cluster, KafkaTails tails, IOptions<ApiOptions> options)
{
    public async Task<(TrackedTask? Found, Problem? Problem)> FindAsync(string taskId, IQueryCollection query, CancellationToken cancellationToken)
    {
        if (tails.NotReadyBecause is { } reason)
            return (null, Problem.NotReady(reason));
        if (table.Find(taskId) is { } found)
            return (found, null);
        var isScheduled = query.ContainsKey("schedule");
        if (!query.ContainsKey("lane") && !query.ContainsKey("offset") && !isScheduled)
            return (null, Problem.UnknownTask(taskId));
        if (!TryNumber(query["lane"], cluster.Topics.Lanes - 1, out var lane)
            || !TryNumber(query[isScheduled ? "schedule" : "offset"], long.MaxValue, out var offset))
            return (null, new Problem(
                StatusCodes.Status400BadRequest,
                $"lane and offset (or schedule) must be numbers as in the task's links; there are {cluster.Topics.Lanes} lanes"));
        if (!await WaitUntilReadAsync(new TaskPlace((int)lane, offset, isScheduled), cancellationToken))
            return (null, Problem.NotReady("this replica has not read as far as the task's record yet"));
        return table.Find(taskId) is { } read ? (read, null) : (null, Problem.UnknownTask(taskId));
    }

    /// <summary>False: not within the time.</summary>
    public Task<bool> WaitUntilReadAsync(TaskPlace place, CancellationToken cancellationToken) => WaitUntilAsync(() => HasRead(place), cancellationToken);

    /// <summary>Waits until the tails have read something; false: not within the time.</summary>
    public async Task<bool> WaitUntilAsync(Func<bool> isRead, CancellationToken cancellationToken)
    {
        using var maxWait = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        maxWait.CancelAfter(options.Value.KafkaTimeout);
        while (true)
        {
            var readOn = changes.ReadOn.Next;
            if (isRead())
                return true;
            await readOn.WaitAsync(maxWait.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (maxWait.IsCancellationRequested)
                return isRead();
        }
    }

    private bool HasRead(TaskPlace place) => place.IsScheduled ? tails.HasReadSchedule(place.Lane, place.Offset) : table.HasRead(place.Lane, place.Offset);

    private static bool TryNumber(string? text, long most, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= most;
}

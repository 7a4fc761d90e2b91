using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>Reads <c>task-schedule</c> and <c>tasks</c>, only committed records: when retries were due, and when they were put back into the queue.</summary>
internal sealed class RetryReader : IAsyncDisposable
{
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, DateTimeOffset> _due = [];       // by the schedule's key; under the lock, like everything below
    private readonly Dictionary<string, DateTimeOffset> _putBack = [];   // when the broker appended the first record to `tasks`
    private readonly HashSet<string> _twice = [];
    private TaskCompletionSource _more = NewSignal();
    private readonly Task _reading;

    public RetryReader(KafkaCluster cluster) => _reading = new TopicTail(
        cluster, IsolationLevel.ReadCommitted, [cluster.Topics.Schedule, cluster.Topics.Tasks], result => Take(result, isSchedule: result.Topic == cluster.Topics.Schedule)).RunAsync(_disposed.Token);

    /// <summary>
    /// How many retries were put back more than once: another replica did the same at that moment, or died before it could record that it had done
    /// so.
    /// </summary>
    public int Doubles
    {
        get
        {
            lock (_lock)
                return _twice.Count;
        }
    }

    /// <summary>
    /// Milliseconds from when each retry was due until the broker appended it; less than 0 is early. The broker counts whole milliseconds, so the due times are
    /// truncated to milliseconds too.
    /// </summary>
    public IReadOnlyList<double> Late
    {
        get
        {
            lock (_lock)
                return [.. _putBack.Select(retry => (double)(retry.Value.ToUnixTimeMilliseconds() - _due[retry.Key].ToUnixTimeMilliseconds()))];
        }
    }

    /// <summary>Waits until this many retries are put back.</summary>
    public async Task PutBackAsync(int count, TimeSpan limit, CancellationToken stop)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
        either.CancelAfter(limit);
        while (true)
        {
            Task more;
            int soFar;
            lock (_lock)
            {
                soFar = _putBack.Keys.Count(_due.ContainsKey);
                more = _more.Task;
            }
            if (soFar >= count)
                return;
            try
            {
                await more.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                throw new BenchException($"{soFar} of {count} retries were put back within {limit.TotalSeconds} s");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _disposed.Dispose();
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result, bool isSchedule)
    {
        if (result.Message.Value is not { } value)
            return;
        TaskCompletionSource reached;
        lock (_lock)
        {
            if (isSchedule && TaskJson.TryDecodeScheduled(value, out var entry, out _) && entry!.DueAt is { } due)
                _due[ScheduledTask.Key(entry.TaskId, entry.Task.Attempt)] = due;
            else if (!isSchedule && TaskJson.TryDecodeSubmission(value, out var task, out _) && task!.Attempt > 1)
            {
                var key = ScheduledTask.Key(task.TaskId, task.Attempt);
                if (!_putBack.TryAdd(key, result.Message.Timestamp.UtcDateTime))
                    _twice.Add(key);
            }
            (reached, _more) = (_more, NewSignal());
        }
        reached.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

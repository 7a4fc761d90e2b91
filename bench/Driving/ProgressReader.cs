using System.Diagnostics;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>Reads <c>task-progress</c> as watchers do, including uncommitted records, and notes the arrival time of each record.</summary>
internal sealed class ProgressReader : IAsyncDisposable
{
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();
    private readonly List<SeenRecord> _seen = [];   // under the lock
    private readonly Task _reading;
    private TaskCompletionSource _more = NewSignal();

    public ProgressReader(KafkaCluster cluster) => _reading = new TopicTail(cluster, IsolationLevel.ReadUncommitted, [cluster.Topics.Progress], Take).RunAsync(_disposed.Token);

    /// <summary>Waits for a task's first record of this kind, from this attempt on.</summary>
    public async Task<SeenRecord> WaitForAsync<T>(string taskId, TimeSpan limit, CancellationToken stop, int attempt = 1)
        where T : AttemptRecord
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
        either.CancelAfter(limit);
        for (var next = 0; ;)
        {
            Task more;
            lock (_lock)
            {
                for (; next < _seen.Count; next++)
                    if (_seen[next].Record is T record && record.TaskId == taskId && record.Attempt >= attempt)
                        return _seen[next];
                more = _more.Task;
            }
            try
            {
                await more.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                throw new BenchException($"task {taskId}, attempt {attempt}: no {typeof(T).Name} within {limit.TotalSeconds} s");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _disposed.Dispose();
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        var now = Stopwatch.GetTimestamp();
        if (!TaskJson.TryDecodeProgress(result.Message.Value ?? [], out var record, out _))
            return;
        TaskCompletionSource reached;
        lock (_lock)
        {
            _seen.Add(new SeenRecord(record!, result.Message.Timestamp.UtcDateTime, now));
            (reached, _more) = (_more, NewSignal());
        }
        reached.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <param name="AppendedAt">Time of the broker's clock.</param>
/// <param name="Seen">When it was read, as a <see cref="Stopwatch"/> timestamp.</param>
internal sealed record SeenRecord(ProgressRecord Record, DateTimeOffset AppendedAt, long Seen);

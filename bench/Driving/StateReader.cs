using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>Reads <c>task-state</c>, only committed records: who owns which lane, and which tasks have ended.</summary>
internal sealed class StateReader : IAsyncDisposable
{
    private static readonly TimeSpan MostBetweenEnds = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<int, string> _owners = [];   // under the lock, like everything below
    private readonly HashSet<string> _ended = [];
    private readonly List<TaskEnd> _ends = [];               // in the order in which they were read
    private string? _failure;
    private TaskCompletionSource _more = NewSignal();
    private readonly Task _reading;

    public StateReader(KafkaCluster cluster) => _reading = new TopicTail(cluster, IsolationLevel.ReadCommitted, [cluster.Topics.State], Take).RunAsync(_disposed.Token);

    /// <summary>The worker of each lane.</summary>
    public IReadOnlyDictionary<int, string> Owners
    {
        get
        {
            lock (_lock)
                return new Dictionary<int, string>(_owners);
        }
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _ends.Count;
        }
    }

    /// <exception cref="BenchException">A task has not ended as it must.</exception>
    public void ThrowIfFailed()
    {
        lock (_lock)
            if (_failure is not null)
                throw new BenchException(_failure);
    }

    /// <summary>
    /// Waits for this many ends after the first <paramref name="before"/>, and returns how many there were per second, from the first to the last.
    /// </summary>
    public async Task<double> RateAsync(int before, int count, CancellationToken stop)
    {
        var ends = await NextAsync(before, count, stop);
        return (count - 1) / (ends[^1].ReadAt - ends[0].ReadAt).TotalSeconds;
    }

    /// <summary>Waits until a task has ended.</summary>
    public async Task EndedAsync(string taskId, CancellationToken stop)
    {
        for (var next = 0; ; next++)
            if ((await NextAsync(next, 1, stop))[0].State.TaskId == taskId)
                return;
    }

    /// <summary>Waits for this many ends after the first <paramref name="before"/>.</summary>
    public async Task<IReadOnlyList<TaskEnd>> NextAsync(int before, int count, CancellationToken stop)
    {
        while (true)
        {
            Task more;
            int soFar;
            lock (_lock)
            {
                if (_failure is not null)
                    throw new BenchException(_failure);
                if (_ends.Count >= before + count)
                    return _ends.GetRange(before, count);
                (more, soFar) = (_more.Task, _ends.Count - before);
            }
            try
            {
                await more.WaitAsync(MostBetweenEnds, stop);
            }
            catch (TimeoutException)
            {
                throw new BenchException($"no task ended for {MostBetweenEnds.TotalSeconds} s; {soFar} of {count} had ended");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await ((Task)_reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _disposed.Dispose();
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        var now = DateTimeOffset.UtcNow;
        if (result.Message is not { Key: { } key, Value: { } value })
            return;
        lock (_lock)
        {
            if (Encoding.UTF8.GetString(key).StartsWith(LaneState.KeyPrefix, StringComparison.Ordinal))
            {
                if (TaskJson.TryDecodeLane(value, out var lane, out _))
                    _owners[lane!.Lane] = lane.Worker;
                return;
            }
            if (!TaskJson.TryDecodeState(value, out var state, out _) || !state!.Status.IsEnd() || !_ended.Add(state.TaskId))
                return;
            _ends.Add(new TaskEnd(state, now));
            if (state.Status is not (Status.Succeeded or Status.Stopped))
                _failure = $"task {state.TaskId} ended as {state.Status}: {state.Error}";
            _more.SetResult();
            _more = NewSignal();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <param name="ReadAt">When its record was read; it was committed by then.</param>
internal sealed record TaskEnd(TaskState State, DateTimeOffset ReadAt);

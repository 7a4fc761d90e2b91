using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using Confluent.Kafka;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Tests.Broker;

/// <summary>A member of the worker group as a worker is one: its own thread polls throughout, and everything else is done there too.</summary>
internal sealed class Member : IAsyncDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentQueue<Action<IConsumer<byte[]?, byte[]?>>> _errands = new();
    private readonly Channel<string> _records = Channel.CreateUnbounded<string>();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly HashSet<int> _lanes = [];
    private readonly Task _polling;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _farewell = true;

    public Member(KafkaCluster cluster) =>
        _polling = OwnThread.Run(() => Poll(cluster));

    public async Task<string> NextAsync() => await _records.Reader.ReadAsync().AsTask().WaitAsync(MaxWait);

    public async Task HasLanesAsync(int count)
    {
        using var limit = new CancellationTokenSource(MaxWait);
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_lanes.Count == count)
                    return;
                changed = _changed.Task;
            }
            await changed.WaitAsync(limit.Token);
        }
    }

    public async Task<T> DoAsync<T>(Func<IConsumer<byte[]?, byte[]?>, T> errand)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _errands.Enqueue(consumer =>
        {
            try
            {
                done.SetResult(errand(consumer));
            }
            catch (KafkaException exception)
            {
                done.SetException(exception);
            }
        });
        return await done.Task.WaitAsync(MaxWait);
    }

    public Task DoAsync(Action<IConsumer<byte[]?, byte[]?>> errand) => DoAsync(consumer =>
    {
        errand(consumer);
        return true;
    });

    /// <summary>Gone without a word, as after <c>kill -9</c>: no more heartbeats, and no farewell to the group.</summary>
    public async Task VanishAsync()
    {
        _farewell = false;
        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _polling.WaitAsync(MaxWait);
        _stop.Dispose();
    }

    private void Poll(KafkaCluster cluster)
    {
        using var consumer = cluster.WorkerConsumer()
            .SetPartitionsAssignedHandler((_, partitions) => Change(() => _lanes.UnionWith(partitions.Select(partition => partition.Partition.Value))))
            .SetPartitionsRevokedHandler((_, partitions) => Change(() => _lanes.ExceptWith(partitions.Select(partition => partition.Partition.Value))))
            .SetPartitionsLostHandler((_, partitions) => Change(() => _lanes.ExceptWith(partitions.Select(partition => partition.Partition.Value))))
            .Build();
        consumer.Subscribe(cluster.Topics.Tasks);
        while (!_stop.IsCancellationRequested)
        {
            while (_errands.TryDequeue(out var errand))
                errand(consumer);
            if (consumer.Consume(PollInterval) is { Message.Value: { } value })
                _records.Writer.TryWrite(Encoding.UTF8.GetString(value));
        }
        if (_farewell)
            consumer.Close();
    }

    private void Change(Action change)
    {
        TaskCompletionSource reached;
        lock (_lock)
        {
            change();
            (reached, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        reached.SetResult();
    }
}

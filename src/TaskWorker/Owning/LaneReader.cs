using System.Collections.Concurrent;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Owning;

/// <summary>
/// Reads partitions from given offsets on, outside of the group and on a thread of its own, so that nothing about fetching depends on what the
/// worker is busy with. Everything that concerns its consumer happens on that thread, hence records of a reading that was ended never come.
/// </summary>
internal sealed class LaneReader : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);   // also how soon a new reading begins
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(1);

    private readonly IConsumer<byte[]?, byte[]?> _consumer;
    private readonly ConcurrentQueue<Action> _orders = new();
    private readonly Dictionary<TopicPartition, Action<ConsumeResult<byte[]?, byte[]?>>> _takers = [];
    private volatile bool _ended;

    public LaneReader(KafkaCluster cluster)
    {
        _consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        Reading = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Fails when the reader cannot go on.</summary>
    public Task Reading { get; }

    /// <summary>Hands every record from an offset on to <paramref name="take"/>, on the reader's thread.</summary>
    public void Read(TopicPartition partition, long from, Action<ConsumeResult<byte[]?, byte[]?>> take) => _orders.Enqueue(() =>
    {
        if (_takers.Remove(partition))
            _consumer.IncrementalUnassign([partition]);
        _takers[partition] = take;
        _consumer.IncrementalAssign([new TopicPartitionOffset(partition, from)]);
    });

    /// <summary>Where a partition ends now.</summary>
    /// <exception cref="KafkaException">Its broker did not say in time.</exception>
    public Task<long> EndOfAsync(TopicPartition partition)
    {
        var answer = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        _orders.Enqueue(() =>
        {
            try
            {
                answer.SetResult(_consumer.QueryWatermarkOffsets(partition, RequestTimeout).High.Value);
            }
            catch (KafkaException exception)
            {
                answer.SetException(exception);
            }
        });
        return answer.Task;
    }

    public void End(TopicPartition partition) => _orders.Enqueue(() =>
    {
        if (_takers.Remove(partition))
            _consumer.IncrementalUnassign([partition]);
    });

    public void Pause(TopicPartition partition) => _orders.Enqueue(() =>
    {
        if (_takers.ContainsKey(partition))
            _consumer.Pause([partition]);
    });

    public void Resume(TopicPartition partition) => _orders.Enqueue(() =>
    {
        if (!_takers.ContainsKey(partition))
            return;
        _consumer.Resume([partition]);
        Wake(partition);
    });

    public void Dispose()
    {
        _ended = true;
        Task.WaitAny([Reading]);
        _consumer.Dispose();
    }

    private void Run()
    {
        while (!_ended)
        {
            while (_orders.TryDequeue(out var order))
                order();
            if (Consume() is { IsPartitionEOF: false } result)
                _takers[result.TopicPartition](result);
        }
    }

    private ConsumeResult<byte[]?, byte[]?>? Consume()
    {
        try
        {
            return _consumer.Consume(Poll);
        }
        catch (ConsumeException exception) when (!exception.Error.IsFatal)
        {
            return null;   // a leader that is away is what the client retries by itself
        }
    }

    /// <summary>A fetcher whose every partition was paused sleeps up to a second and does not hear the resume; a request to its broker wakes it.</summary>
    private void Wake(TopicPartition partition)
    {
        try
        {
            _consumer.QueryWatermarkOffsets(partition, RequestTimeout);
        }
        catch (KafkaException)
        {
            // Then it sleeps on and comes a little later.
        }
    }
}

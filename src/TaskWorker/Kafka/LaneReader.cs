using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Confluent.Kafka;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Reads partitions from given offsets, outside of the group and on its own thread, so that fetching does not depend on the worker's loop. Only that
/// thread uses the consumer, so no record arrives after its partition was ended.
/// </summary>
internal sealed class LaneReader : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);   // also the longest delay of an order
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(1);

    private readonly KafkaCluster _cluster;
    private readonly StallWatch _stalls;
    private IConsumer<byte[]?, byte[]?> _consumer;   // used only by the reader's thread, like its partitions
    private readonly ConcurrentQueue<Action> _orders = new();
    private readonly Dictionary<TopicPartition, Action<ConsumeResult<byte[]?, byte[]?>>> _takers = [];
    private readonly Dictionary<TopicPartition, long> _positions = [];
    private readonly HashSet<TopicPartition> _paused = [];
    private volatile bool _ended;

    public LaneReader(KafkaCluster cluster)
    {
        _cluster = cluster;
        _stalls = new StallWatch(cluster, IsolationLevel.ReadUncommitted);
        _consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        Reading = OwnThread.Run(Run);
    }

    /// <summary>Fails when the reader cannot continue.</summary>
    public Task Reading { get; }

    /// <summary>Passes every record from an offset on to <paramref name="take"/>, on the reader's thread.</summary>
    public void Read(TopicPartition partition, long from, Action<ConsumeResult<byte[]?, byte[]?>> take) => _orders.Enqueue(() =>
    {
        Leave(partition);
        _stalls.Forget(partition);
        (_takers[partition], _positions[partition]) = (take, from);
        _consumer.IncrementalAssign([new TopicPartitionOffset(partition, from)]);
    });

    /// <summary>The current end offset of a partition.</summary>
    /// <exception cref="KafkaException">The broker did not answer in time.</exception>
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

    public void End(TopicPartition partition) => _orders.Enqueue(() => Leave(partition));

    public void Pause(TopicPartition partition) => _orders.Enqueue(() =>
    {
        if (_takers.ContainsKey(partition) && _paused.Add(partition))
            _consumer.Pause([partition]);
    });

    public void Resume(TopicPartition partition) => _orders.Enqueue(() =>
    {
        if (!_paused.Remove(partition))
            return;
        _consumer.Resume([partition]);
        Wake(partition);
    });

    public void Dispose()
    {
        _ended = true;
        Task.WaitAny([Reading]);
        _consumer.Dispose();
        _stalls.Dispose();
    }

    private void Run()
    {
        while (!_ended)
        {
            while (_orders.TryDequeue(out var order))
                order();
            if (_consumer.Poll(Poll) is not { } result)
                RenewIfStalled();
            else if (!result.IsPartitionEOF)
            {
                _positions[result.TopicPartition] = result.Offset.Value + 1;
                Take(result);
            }
            else if (_positions.TryGetValue(result.TopicPartition, out var position))
                _positions[result.TopicPartition] = Math.Max(position, result.Offset.Value);   // transaction markers can follow the last record
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "One bad record must not end the loop")]
    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        try
        {
            _takers[result.TopicPartition](result);
        }
        catch (Exception exception)
        {
            _cluster.Skip(result, exception);
        }
    }

    private void Leave(TopicPartition partition)
    {
        if (!_takers.Remove(partition))
            return;
        _consumer.IncrementalUnassign([partition]);
        _positions.Remove(partition);
        _paused.Remove(partition);
    }

    private void RenewIfStalled()
    {
        if (_stalls.StalledAt(() => _positions.Where(place => !_paused.Contains(place.Key)).ToDictionary()) is not { } stalled)
            return;
        _cluster.Replace(_consumer, stalled);
        _consumer = _cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        _consumer.IncrementalAssign(_positions.Select(place => new TopicPartitionOffset(place.Key, place.Value)));
        _consumer.Pause(_paused);
    }

    /// <summary>A librdkafka fetcher with all partitions paused sleeps for up to a second and ignores a resume; a request to its broker wakes it.</summary>
    private void Wake(TopicPartition partition)
    {
        try
        {
            _consumer.QueryWatermarkOffsets(partition, RequestTimeout);
        }
        catch (KafkaException)
        {
            // Then the fetcher sleeps a little longer.
        }
    }
}

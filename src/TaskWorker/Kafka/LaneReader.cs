using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Confluent.Kafka;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Reads partitions from given offsets on, outside of the group and on a thread of its own, so that nothing about fetching depends on what the
/// worker is busy with. Everything that concerns its consumer happens on that thread, hence records of a reading that was ended never come.
/// </summary>
internal sealed class LaneReader : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);   // also how soon a new reading begins
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(1);

    private readonly KafkaCluster _cluster;
    private readonly StallWatch _stalls;
    private IConsumer<byte[]?, byte[]?> _consumer;   // of the reader's thread, as are its partitions
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

    /// <summary>Fails when the reader cannot go on.</summary>
    public Task Reading { get; }

    /// <summary>Hands every record from an offset on to <paramref name="take"/>, on the reader's thread.</summary>
    public void Read(TopicPartition partition, long from, Action<ConsumeResult<byte[]?, byte[]?>> take) => _orders.Enqueue(() =>
    {
        Leave(partition);
        _stalls.Forget(partition);
        (_takers[partition], _positions[partition]) = (take, from);
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
                _positions[result.TopicPartition] = Math.Max(position, result.Offset.Value);   // behind the last record may stand markers of transactions
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "The edge of the loop: those behind it are read")]
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

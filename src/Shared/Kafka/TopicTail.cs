using Confluent.Kafka;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Reads whole topics, every partition from its beginning and on for ever, without a group, on a thread of its own.
/// Records of one partition come in order; the handler runs on that thread and owns whatever it changes.
/// </summary>
public sealed class TopicTail(KafkaCluster cluster, IsolationLevel isolation, IReadOnlyList<string> topics, Action<ConsumeResult<byte[]?, byte[]?>> handle)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<TopicPartition, long> _behind = [];   // owned by the tail's thread: partition → offset to reach
    private readonly Dictionary<TopicPartition, long> _positions = [];   // written by the tail's thread, read by any, under its lock
    private long _lastPoll = Environment.TickCount64;

    /// <summary>Completes once everything is read that was there when the tail started.</summary>
    public Task CaughtUp => _caughtUp.Task;

    /// <summary>How long the loop has not been round; more than a few seconds means that it stands still.</summary>
    public TimeSpan SinceLastPoll => TimeSpan.FromMilliseconds(Environment.TickCount64 - Volatile.Read(ref _lastPoll));

    /// <summary>Raised on the tail's thread each time it has nothing more to hand out at once: the moment to wake those who wait for news.</summary>
    public Action? Idle { get; init; }

    /// <summary>The offset up to which a partition has been handled.</summary>
    public long PositionOf(string topic, int partition)
    {
        lock (_positions)
            return _positions.GetValueOrDefault(new TopicPartition(topic, partition));
    }

    /// <summary>Runs until cancelled; any other end is an exception, and the process must not outlive it.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.Factory.StartNew(() => Run(cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void Run(CancellationToken cancellationToken)
    {
        using var stalls = new StallWatch(cluster, isolation);
        var consumer = cluster.TailConsumer(isolation);
        try
        {
            Assign(consumer, cancellationToken);
            while (!cancellationToken.IsCancellationRequested)
            {
                Volatile.Write(ref _lastPoll, Environment.TickCount64);
                var result = consumer.Poll(TimeSpan.Zero);
                if (result is null)
                {
                    Idle?.Invoke();
                    if (stalls.StalledAt(Positions) is { } place)
                        consumer = Renew(consumer, place);
                    result = consumer.Poll(PollInterval);
                }
                if (result is not null)
                    Take(result);
            }
        }
        catch (Exception exception)
        {
            _caughtUp.TrySetException(exception);
            throw;
        }
        finally
        {
            consumer.Unassign();   // Close() is for group members, and waits for a coordinator that may be away
            consumer.Dispose();
        }
    }

    /// <summary>Another consumer in the place of one that stands still.</summary>
    private IConsumer<byte[]?, byte[]?> Renew(IConsumer<byte[]?, byte[]?> stalled, string stalledAt)
    {
        cluster.Replace(stalled, stalledAt);
        var consumer = cluster.TailConsumer(isolation);
        consumer.Assign(Positions().Select(place => new TopicPartitionOffset(place.Key, place.Value)));
        return consumer;
    }

    private Dictionary<TopicPartition, long> Positions()
    {
        lock (_positions)
            return new Dictionary<TopicPartition, long>(_positions);
    }

    private void Assign(IConsumer<byte[]?, byte[]?> consumer, CancellationToken cancellationToken)
    {
        var partitions = cluster.Topics.All.Where(topic => topics.Contains(topic.Name))
            .SelectMany(topic => Enumerable.Range(0, topic.Partitions).Select(partition => new TopicPartition(topic.Name, partition)))
            .ToList();
        foreach (var partition in partitions)
        {
            var watermarks = WatermarksOf(consumer, partition, cancellationToken);
            lock (_positions)
                _positions[partition] = watermarks.Low;
            if (watermarks.High > watermarks.Low)
                _behind[partition] = watermarks.High;
        }
        consumer.Assign(partitions.Select(partition => new TopicPartitionOffset(partition, Offset.Beginning)));
        if (_behind.Count == 0)
            _caughtUp.TrySetResult();
    }

    private WatermarkOffsets WatermarksOf(IConsumer<byte[]?, byte[]?> consumer, TopicPartition partition, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Volatile.Write(ref _lastPoll, Environment.TickCount64);   // waiting for a broker is not standing still
            try
            {
                return consumer.QueryWatermarkOffsets(partition, RequestTimeout);
            }
            catch (KafkaException exception) when (!exception.Error.IsFatal)
            {
                // The leader is not known yet or is away: ask again.
                cancellationToken.WaitHandle.WaitOne(PollInterval);
            }
        }
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        var position = result.Offset.Value;
        if (!result.IsPartitionEOF)
        {
            handle(result);
            position++;
        }
        lock (_positions)
            _positions[result.TopicPartition] = Math.Max(position, _positions[result.TopicPartition]);
        // The end of a partition counts too: behind the last record may stand markers of transactions, which are never handed out.
        if (_behind.TryGetValue(result.TopicPartition, out var target) && (result.IsPartitionEOF || position >= target))
        {
            _behind.Remove(result.TopicPartition);
            if (_behind.Count == 0)
                _caughtUp.TrySetResult();
        }
    }
}

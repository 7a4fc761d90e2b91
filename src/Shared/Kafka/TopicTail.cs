using Confluent.Kafka;
using Confluent.Kafka.Admin;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Reads whole topics, every partition from its beginning and then for ever, without a group, on its own thread. Records of one partition arrive in
/// order; the handler runs on that thread and owns what it changes.
/// </summary>
public sealed class TopicTail(KafkaCluster cluster, IsolationLevel isolation, IReadOnlyList<string> topics, Action<ConsumeResult<byte[]?, byte[]?>> handle)
{
    private const long NewsWithin = 10;   // milliseconds
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    private readonly TaskCompletionSource _caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Dictionary<TopicPartition, Place> _places = [];   // set once; the tail's thread updates the places
    private readonly RecordHandling _handling = cluster.NewHandling();
    private Place? _last;    // of the last record: the next is usually from the same partition
    private int _behind;     // partitions not yet read to their end at the start
    private long _lastNews;
    private long _lastPoll = Environment.TickCount64;

    public IReadOnlyList<string> Topics => topics;

    /// <summary>Completes once everything has been read that was there when the tail started.</summary>
    public Task CaughtUp => _caughtUp.Task;

    /// <summary>Time since the loop's last round; more than a few seconds means that it has stalled.</summary>
    public TimeSpan SinceLastPoll => TimeSpan.FromMilliseconds(Environment.TickCount64 - Volatile.Read(ref _lastPoll));

    /// <summary>Called on the tail's thread whenever it has no more records at hand.</summary>
    public Action? Idle { get; init; }

    /// <summary>Called after <see cref="Idle"/>, and regularly in a stream without pauses: the moment to wake waiters.</summary>
    public Action? News { get; init; }

    /// <summary>Called on the tail's thread for a record that could not be handled, before it is skipped.</summary>
    public Action<ConsumeResult<byte[]?, byte[]?>>? Skipped { get; init; }

    /// <summary>The offset up to which a partition has been handled.</summary>
    public long PositionOf(string topic, int partition) => _places.GetValueOrDefault(new TopicPartition(topic, partition))?.Position ?? 0;

    /// <summary>Runs until cancelled; any other end is an exception, after which the process must end.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        OwnThread.Run(() => Run(cancellationToken));

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
                    RaiseNews();
                    if (stalls.StalledAt(Positions) is { } place)
                        consumer = Renew(consumer, place);
                    result = consumer.Poll(PollInterval);
                }
                if (result is null)
                    continue;
                Take(result);
                if (Environment.TickCount64 - _lastNews > NewsWithin)
                    RaiseNews();
            }
        }
        catch (Exception exception)
        {
            _caughtUp.TrySetException(exception);
            throw;
        }
        finally
        {
            consumer.Unassign();   // Close() is for group members, and waits for the coordinator
            consumer.Dispose();
        }
    }

    /// <summary>Replaces a stalled consumer.</summary>
    private IConsumer<byte[]?, byte[]?> Renew(IConsumer<byte[]?, byte[]?> stalled, string stalledAt)
    {
        cluster.Replace(stalled, stalledAt);
        var consumer = cluster.TailConsumer(isolation);
        consumer.Assign(Positions().Select(place => new TopicPartitionOffset(place.Key, place.Value)));
        return consumer;
    }

    private Dictionary<TopicPartition, long> Positions() => _places.ToDictionary(place => place.Key, place => place.Value.Position);

    private void Assign(IConsumer<byte[]?, byte[]?> consumer, CancellationToken cancellationToken)
    {
        var partitions = cluster.Topics.All.Where(topic => topics.Contains(topic.Name))
            .SelectMany(topic => Enumerable.Range(0, topic.Partitions).Select(partition => new TopicPartition(topic.Name, partition)))
            .ToList();
        // also makes the consumer know its leaders: otherwise it looks for them once a second
        using (var admin = new DependentAdminClientBuilder(consumer.Handle).Build())
        {
            var first = OffsetsOf(admin, partitions, OffsetSpec.Earliest(), cancellationToken);
            var end = OffsetsOf(admin, partitions, OffsetSpec.Latest(), cancellationToken);
            _places = partitions.ToDictionary(partition => partition, partition => new Place(partition, first[partition], end[partition]));
            _behind = _places.Values.Count(place => place.IsBehind);
        }
        consumer.Assign(partitions.Select(partition => new TopicPartitionOffset(partition, _places[partition].Position)));
        if (_behind == 0)
            _caughtUp.TrySetResult();
    }

    /// <summary>The offsets of all partitions, however long it takes.</summary>
    private Dictionary<TopicPartition, long> OffsetsOf(
        IAdminClient admin, List<TopicPartition> partitions, OffsetSpec spec, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Volatile.Write(ref _lastPoll, Environment.TickCount64);   // waiting for a broker is not a stall
            try
            {
                var offsets = admin.OffsetsAsync(partitions, spec, isolation).WaitAsync(cancellationToken).GetAwaiter().GetResult();
                if (offsets.Count == partitions.Count)
                    return offsets;
            }
            catch (KafkaException exception) when (!exception.Error.IsFatal)
            {
                // Kafka does not answer, or has no leaders yet: ask again.
            }
            cancellationToken.WaitHandle.WaitOne(PollInterval);
        }
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        var position = result.Offset.Value;
        if (!result.IsPartitionEOF)
        {
            if (_handling.Handle(result, handle) is not null)
                Skipped?.Invoke(result);
            position++;
        }
        if (_last is null || _last.Partition.Partition != result.Partition || _last.Partition.Topic != result.Topic)
            _last = _places[result.TopicPartition];
        _last.Position = Math.Max(position, _last.Position);
        // The end of a partition counts too: transaction markers, which are never delivered, can follow the last record.
        if (!_last.IsBehind || (!result.IsPartitionEOF && position < _last.End))
            return;
        _last.IsBehind = false;
        if (--_behind == 0)
            _caughtUp.TrySetResult();
    }

    private void RaiseNews()
    {
        _lastNews = Environment.TickCount64;
        News?.Invoke();
    }

    /// <summary>How far a partition has been read.</summary>
    private sealed class Place(TopicPartition partition, long position, long end)
    {
        private long _position = position;

        public TopicPartition Partition => partition;

        /// <summary>Its end when the tail started.</summary>
        public long End => end;

        public bool IsBehind { get; set; } = end > position;

        public long Position
        {
            get => Volatile.Read(ref _position);
            set => Volatile.Write(ref _position, value);
        }
    }
}

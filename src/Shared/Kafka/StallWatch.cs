using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Detects a stalled consumer: it stays behind the end of a partition for a while, although it is polled and Kafka answers other clients. After a
/// broker's restart librdkafka has been seen to do that, for single partitions and without an error; a new consumer at the same position continues.
/// </summary>
/// <param name="isolation">Isolation level of the consumer.</param>
/// <param name="interval">Time between two checks; null: 10 s.</param>
public sealed class StallWatch(KafkaCluster cluster, IsolationLevel isolation, TimeSpan? interval = null) : IDisposable
{
    private readonly TimeSpan _interval = interval ?? TimeSpan.FromSeconds(10);
    private IAdminClient? _admin;
    private Task<Dictionary<TopicPartition, long>>? _asking;
    private long _lookedAt = Environment.TickCount64;
    private Dictionary<TopicPartition, long> _behind = [];   // at the last check: partition → the consumer's position

    /// <summary>Call this whenever the consumer has no records at hand, always on the same thread. It does not wait.</summary>
    /// <param name="positions">The next offset in each partition that is not paused, with the end counted in.</param>
    /// <returns>Where it has stalled, for people; null: it has not.</returns>
    public string? StalledAt(Func<IReadOnlyDictionary<TopicPartition, long>> positions)
    {
        if (_asking is null)
        {
            if (Environment.TickCount64 - _lookedAt < _interval.TotalMilliseconds)
                return null;
            _asking = EndsAsync([.. positions().Keys]);
        }
        if (!_asking.IsCompleted)
            return null;
        var ends = _asking.IsCompletedSuccessfully ? _asking.Result : [];   // no answer: then no records are expected either
        if (!_asking.IsCompletedSuccessfully)
        {
            _admin?.Discard();   // this client itself may have stalled
            _admin = null;
        }
        (_asking, _lookedAt) = (null, Environment.TickCount64);
        var before = _behind;
        _behind = positions().Where(place => ends.TryGetValue(place.Key, out var end) && place.Value < end).ToDictionary();
        var stalled = string.Join(", ", _behind.Where(place => before.TryGetValue(place.Key, out var then) && then == place.Value)
            .Select(place => $"{place.Key} at {place.Value} of {ends[place.Key]}"));
        if (stalled.Length == 0)
            return null;
        _behind = [];
        return stalled;
    }

    /// <summary>The consumer starts again in a partition: an unchanged position there means nothing.</summary>
    public void Forget(TopicPartition partition) => _behind.Remove(partition);

    public void Dispose() => _admin?.Dispose();

    private Task<Dictionary<TopicPartition, long>> EndsAsync(IReadOnlyList<TopicPartition> partitions) =>
        (_admin ??= cluster.Admin()).OffsetsAsync(partitions, OffsetSpec.Latest(), isolation);
}

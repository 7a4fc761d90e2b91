using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Notices that a consumer stands still: it has been behind the end of a partition for a while, though it was asked for more and Kafka answers
/// others. The client has been seen to do that after a broker's restart, for single partitions and without an error; a new one at the same place goes
/// on.
/// </summary>
/// <param name="isolation">Of the consumer.</param>
/// <param name="interval">Between two looks; null: 10 s.</param>
public sealed class StallWatch(KafkaCluster cluster, IsolationLevel isolation, TimeSpan? interval = null) : IDisposable
{
    private readonly TimeSpan _interval = interval ?? TimeSpan.FromSeconds(10);
    private IAdminClient? _admin;
    private Task<Dictionary<TopicPartition, long>>? _asking;
    private long _lookedAt = Environment.TickCount64;
    private Dictionary<TopicPartition, long> _behind = [];   // at the last look: partition → where the consumer was

    /// <summary>To be called whenever the consumer has nothing at hand, always on one thread. It does not wait.</summary>
    /// <param name="positions">Where the consumer is in each of its partitions but those that it has paused: the next offset, the end counted in.</param>
    /// <returns>Where it stands still, for people; null: it does not.</returns>
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
        var ends = _asking.IsCompletedSuccessfully ? _asking.Result : [];   // of a Kafka that does not answer nobody expects records
        if (!_asking.IsCompletedSuccessfully)
        {
            _admin?.Discard();   // or it is this client that stands still
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

    /// <summary>The consumer begins anew in a partition: that it is where it was before tells nothing.</summary>
    public void Forget(TopicPartition partition) => _behind.Remove(partition);

    public void Dispose() => _admin?.Dispose();

    private Task<Dictionary<TopicPartition, long>> EndsAsync(IReadOnlyList<TopicPartition> partitions) =>
        (_admin ??= cluster.Admin()).OffsetsAsync(partitions, OffsetSpec.Latest(), isolation);
}

using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Commit on the embedded broker, which has no transactions: first the records, then, once they are acknowledged, the offsets. A crash in between
/// repeats the records, and readers drop duplicates.
/// </summary>
/// <param name="commitOffsets">Commits offsets of the group's consumer.</param>
internal sealed class PlainCommit(KafkaCluster cluster, Action<IEnumerable<TopicPartitionOffset>> commitOffsets, TimeProvider clock) : ILaneCommit
{
    private readonly IProducer<byte[]?, byte[]?> _producer = cluster.OrderedProducer();
    private readonly HashSet<CommitRecord> _written = new(ReferenceEqualityComparer.Instance);   // of batches whose offsets were refused: they are repeated
    private readonly CallTimer _call = new(clock);

    public TimeSpan? InCall => _call.Elapsed;

    public void Open(CancellationToken cancellationToken)
    {
        // A plain producer needs no initialisation.
    }

    public void Commit(Batch batch)
    {
        var deliveries = Deliveries.Start(_producer, batch.Records.Where(_written.Add));
        deliveries.Wait();
        _written.ExceptWith(deliveries.Failed);
        deliveries.ThrowIfRefused();
        deliveries.ThrowIfFailed();
        try
        {
            _call.Run(() => commitOffsets(batch.Offsets));
            _written.Clear();
        }
        catch (KafkaException exception) when (!exception.Error.IsFatal)
        {
            throw new FencedException(exception.Error.Reason);   // also if the broker did not answer: repeating the commit is harmless
        }
    }

    public void Dispose() => _producer.Dispose();
}

using System.Text;
using Confluent.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>A record for one of the topics that only the owner of a lane writes.</summary>
internal sealed record CommitRecord(string Topic, int Partition, string? Key, byte[]? Value)
{
    public TopicPartition TopicPartition => new(Topic, Partition);
    public Message<byte[]?, byte[]?> Message => new() { Key = Key is null ? null : Encoding.UTF8.GetBytes(Key), Value = Value };
}

/// <summary>Records and consumer offsets that belong together: all of them are there, or none.</summary>
/// <param name="Member">Who we were in the group when the lanes concerned were known to be ours; taken on the thread that hears the group.</param>
internal sealed record Batch(IConsumerGroupMetadata Member, IReadOnlyList<CommitRecord> Records, IReadOnlyList<TopicPartitionOffset> Offsets);

/// <summary>The group has moved on; nothing was written that counts.</summary>
internal sealed class FencedException(string message) : Exception(message);

/// <summary>
/// Kafka takes everything but these, whatever else is done: they are larger than their topic allows, for one. Nothing was written that counts.
/// </summary>
internal sealed class RefusedException(IReadOnlyList<CommitRecord> records, Error error) : Exception(error.Reason)
{
    public IReadOnlyList<CommitRecord> Records => records;
}

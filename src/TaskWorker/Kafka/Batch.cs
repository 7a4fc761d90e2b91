using System.Text;
using Confluent.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>A record for a topic that only the owner of a lane writes.</summary>
internal sealed record CommitRecord(string Topic, int Partition, string? Key, byte[]? Value)
{
    public TopicPartition TopicPartition => new(Topic, Partition);
    public Message<byte[]?, byte[]?> Message => new() { Key = Key is null ? null : Encoding.UTF8.GetBytes(Key), Value = Value };
}

/// <summary>Records and consumer offsets that are committed together: all of them, or none.</summary>
/// <param name="Member">The group metadata from when the lanes were known to be ours; read on the thread that polls the group.</param>
internal sealed record Batch(IConsumerGroupMetadata Member, IReadOnlyList<CommitRecord> Records, IReadOnlyList<TopicPartitionOffset> Offsets);

/// <summary>The group has a newer generation; nothing was committed.</summary>
internal sealed class FencedException(string message) : Exception(message);

/// <summary>Kafka never accepts some records, for example because they are larger than their topic allows. Nothing was committed.</summary>
internal sealed class RefusedException(IReadOnlyList<CommitRecord> records, Error error) : Exception(error.Reason)
{
    public IReadOnlyList<CommitRecord> Records => records;
}

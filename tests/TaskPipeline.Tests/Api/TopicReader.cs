using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Tests.Api;

/// <summary>Reads a topic of the pipeline from its beginning, as any consumer can.</summary>
internal sealed class TopicReader : IDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private readonly IConsumer<byte[]?, byte[]?> _consumer;

    public TopicReader(KafkaCluster cluster, string topic)
    {
        _consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        var partitions = cluster.Topics.All.Single(settings => settings.Name == topic).Partitions;
        _consumer.Assign(Enumerable.Range(0, partitions).Select(partition => new TopicPartitionOffset(topic, partition, Offset.Beginning)));
    }

    /// <summary>The next record that fits; those before it are passed over.</summary>
    public ConsumeResult<byte[]?, byte[]?> Next(Func<ConsumeResult<byte[]?, byte[]?>, bool>? wanted = null)
    {
        var since = DateTimeOffset.UtcNow;
        while (DateTimeOffset.UtcNow - since < MaxWait)
            if (_consumer.Consume(MaxWait) is { IsPartitionEOF: false } found && wanted?.Invoke(found) != false)
                return found;
        throw new TimeoutException("No such record came");
    }

    /// <summary>The next submission that fits.</summary>
    public (TaskSubmission Task, int Lane, long Offset, DateTimeOffset At) NextTask(Func<TaskSubmission, bool>? wanted = null)
    {
        TaskSubmission? task = null;
        var found = Next(record => TaskJson.TryDecodeSubmission(record.Message.Value, out task, out _) && wanted?.Invoke(task!) != false);
        return (task!, found.Partition.Value, found.Offset.Value, found.Message.Timestamp.UtcDateTime);
    }

    /// <summary>Waits for the tombstone of a key.</summary>
    public void ToTombstoneOf(string key) => Next(record => record.Message.Value is null && Encoding.UTF8.GetString(record.Message.Key!) == key);

    public void Dispose()
    {
        _consumer.Unassign();
        _consumer.Dispose();
    }
}

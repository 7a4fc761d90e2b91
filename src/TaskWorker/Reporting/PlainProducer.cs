using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Reporting;

/// <summary>The one idempotent producer of this worker outside of transactions: what it is given arrives in order, once, however long Kafka is away.</summary>
internal sealed class PlainProducer(KafkaCluster cluster) : IDisposable
{
    private readonly Lazy<IProducer<byte[]?, byte[]?>> _producer = new(cluster.OrderedProducer);   // made once the cluster is known

    public void Produce(string topic, int partition, string? key, byte[]? value, Action<DeliveryReport<byte[]?, byte[]?>>? done) =>
        _producer.Value.Produce(
            new TopicPartition(topic, partition),
            new Message<byte[]?, byte[]?> { Key = key is null ? null : Encoding.UTF8.GetBytes(key), Value = value },
            done);

    public void Dispose()
    {
        if (_producer.IsValueCreated)
            _producer.Value.Dispose();
    }
}

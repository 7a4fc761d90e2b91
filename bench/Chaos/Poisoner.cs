using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;

namespace TaskPipeline.Bench.Chaos;

/// <summary>Writes odd records to every topic of the pipeline, as could happen by mistake or malice.</summary>
internal sealed class Poisoner : IDisposable
{
    private const int MostBytes = KafkaCluster.MaxRecordBytes - 1024;

    private readonly FuzzedRecords _records;
    private readonly IProducer<byte[]?, byte[]?> _producer;
    private int _written;

    public Poisoner(string bootstrapServers, Topics topics, int seed)
    {
        _records = new FuzzedRecords(new Random(seed), topics);
        _producer = new ProducerBuilder<byte[]?, byte[]?>(new ProducerConfig { BootstrapServers = bootstrapServers, MessageMaxBytes = KafkaCluster.MaxRecordBytes, LingerMs = 0 })
            .SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();
    }

    public int Written => _written;

    /// <summary>While a broker is down because of an attack some records are lost. Nobody waits for them.</summary>
    public async Task PoisonAsync(int perSecond, TimeSpan length, CancellationToken stop)
    {
        if (perSecond == 0)
            return;
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / perSecond));
        for (var until = DateTimeOffset.UtcNow + length; DateTimeOffset.UtcNow < until && await timer.WaitForNextTickAsync(stop);)
            Write(_records.Next());
    }

    public void Dispose() => _producer.Dispose();

    private void Write(FuzzedRecord record)
    {
        if (record.Value?.Length is not > MostBytes)
            _producer.Produce(new TopicPartition(record.Topic, record.Partition), new Message<byte[]?, byte[]?> { Key = record.Key, Value = record.Value }, Count);
    }

    private void Count(DeliveryReport<byte[]?, byte[]?> report)
    {
        if (!report.Error.IsError)
            Interlocked.Increment(ref _written);
    }
}

using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// This worker's only idempotent producer outside of transactions: its records arrive in order, however long Kafka is away. After a broker's restart
/// the client (librdkafka) has been seen to send nothing any more, without an error. Then a new client is created and unacknowledged records are sent
/// again. That can leave duplicates, which readers drop.
/// </summary>
internal sealed partial class PlainProducer(KafkaCluster cluster, TopicWatch watch, TimeProvider clock, ILogger<PlainProducer> logger) : IDisposable
{
    private static readonly TimeSpan StuckAfter = TimeSpan.FromSeconds(20);   // without an acknowledgement, while Kafka has answered others for half of it

    private readonly Lock _gate = new();
    private readonly LinkedList<Pending> _pending = [];   // unacknowledged records, in order
    private IProducer<byte[]?, byte[]?>? _producer;       // created once the cluster is known

    public void Produce(string topic, int partition, string? key, byte[]? value, Action<DeliveryReport<byte[]?, byte[]?>>? done)
    {
        lock (_gate)
        {
            var message = new Message<byte[]?, byte[]?> { Key = key is null ? null : Encoding.UTF8.GetBytes(key), Value = value };
            var pending = new Pending(new TopicPartition(topic, partition), message, done, clock.GetTimestamp());
            Send(_pending.AddLast(pending), _producer ??= cluster.OrderedProducer());
        }
    }

    /// <summary>Must be called regularly.</summary>
    public void RenewIfStuck()
    {
        IProducer<byte[]?, byte[]?>? stuck;
        lock (_gate)
            stuck = _pending.First is { Value: var oldest } && clock.GetElapsedTime(oldest.SentAt) > StuckAfter && watch.AnsweringFor > StuckAfter / 2
                ? _producer
                : null;
        if (stuck is not null)
            Renew(stuck);
    }

    public void Dispose() => _producer?.Dispose();

    private void Send(LinkedListNode<Pending> pending, IProducer<byte[]?, byte[]?> producer) =>
        producer.Produce(pending.Value.Where, pending.Value.Message, report => Take(report, pending, producer));

    private void Take(DeliveryReport<byte[]?, byte[]?> report, LinkedListNode<Pending> pending, IProducer<byte[]?, byte[]?> producer)
    {
        if (report.Error.IsFatal || report.Error.Code == ErrorCode.Local_Fatal)
        {
            Renew(producer);
            return;
        }
        lock (_gate)
        {
            if (producer != _producer)
                return;   // the record was sent again by the new producer
            _pending.Remove(pending);
        }
        pending.Value.Done?.Invoke(report);
    }

    private void Renew(IProducer<byte[]?, byte[]?> old)
    {
        lock (_gate)
        {
            if (old != _producer)
                return;
            _producer = cluster.OrderedProducer();
            for (var pending = _pending.First; pending is not null; pending = pending.Next)
            {
                pending.Value = pending.Value with { SentAt = clock.GetTimestamp() };
                Send(pending, _producer);
            }
            LogRenewed(logger, _pending.Count);
        }
        old.Discard();
    }

    private sealed record Pending(TopicPartition Where, Message<byte[]?, byte[]?> Message, Action<DeliveryReport<byte[]?, byte[]?>>? Done, long SentAt);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The Kafka client has stopped sending; a new one sends {Count} records again")]
    private static partial void LogRenewed(ILogger logger, int count);
}

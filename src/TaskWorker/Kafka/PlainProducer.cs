using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// The one idempotent producer of this worker outside of transactions: what it is given arrives in order, however long Kafka is away. The client has been
/// seen to send nothing any more after a broker's restart, without an error; then a new one is made, and what nobody has acknowledged is sent again. That
/// can leave doubles, which readers drop.
/// </summary>
internal sealed partial class PlainProducer(KafkaCluster cluster, TopicWatch watch, TimeProvider clock, ILogger<PlainProducer> logger) : IDisposable
{
    private static readonly TimeSpan StuckAfter = TimeSpan.FromSeconds(20);   // without an acknowledgement, though Kafka has answered others for half of that

    private readonly Lock _gate = new();
    private readonly LinkedList<Pending> _pending = [];   // what is not acknowledged, in the order it was given
    private IProducer<byte[]?, byte[]?>? _producer;       // made once the cluster is known

    public void Produce(string topic, int partition, string? key, byte[]? value, Action<DeliveryReport<byte[]?, byte[]?>>? done)
    {
        lock (_gate)
        {
            var message = new Message<byte[]?, byte[]?> { Key = key is null ? null : Encoding.UTF8.GetBytes(key), Value = value };
            var pending = new Pending(new TopicPartition(topic, partition), message, done, clock.GetTimestamp());
            Send(_pending.AddLast(pending), _producer ??= cluster.OrderedProducer());
        }
    }

    /// <summary>To be called now and then.</summary>
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
                return;   // it was sent again
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The Kafka client sends nothing any more; {Count} records are sent again by a new one")]
    private static partial void LogRenewed(ILogger logger, int count);
}

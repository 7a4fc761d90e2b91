using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Consuming;

/// <summary>
/// The seam between the two kinds of broker: writes records and consumer offsets that belong together. It runs on the poll thread, where
/// the group's metadata is true.
/// </summary>
internal interface ILaneCommit : IDisposable
{
    /// <summary>Once, before the first commit; waits until the brokers answer.</summary>
    void Open(CancellationToken cancellationToken);

    /// <exception cref="FencedException">The group has given the lane to somebody else; nothing was written that counts.</exception>
    /// <exception cref="KafkaException">What became of it is not known. The process must end: the next owner finds out from the log.</exception>
    void Commit(IConsumer<byte[]?, byte[]?> consumer, IReadOnlyList<CommitRecord> records, IReadOnlyList<TopicPartitionOffset> offsets);
}

internal sealed record CommitRecord(string Topic, int Partition, string? Key, byte[]? Value)
{
    public TopicPartition TopicPartition => new(Topic, Partition);
    public Message<byte[]?, byte[]?> Message => new() { Key = Key is null ? null : Encoding.UTF8.GetBytes(Key), Value = Value };
}

internal sealed class FencedException(string message) : Exception(message);

/// <summary>On Kafka: one transaction, fenced by the group's generation. Either everything is there, or nothing.</summary>
internal sealed class TransactionalCommit(KafkaCluster cluster, string workerId) : ILaneCommit
{
    private const int Attempts = 5;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);

    private IProducer<byte[]?, byte[]?> _producer = cluster.TransactionalProducer(workerId);

    public void Open(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                _producer.InitTransactions(CallTimeout);
                return;
            }
            catch (KafkaException exception) when (!exception.Error.IsFatal)
            {
                // The coordinator is not there yet: the producer may be asked again.
            }
        }
    }

    public void Commit(IConsumer<byte[]?, byte[]?> consumer, IReadOnlyList<CommitRecord> records, IReadOnlyList<TopicPartitionOffset> offsets)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                _producer.BeginTransaction();
                var delivered = records.Select(record => _producer.ProduceAsync(record.TopicPartition, record.Message)).ToArray();
                Retrying(() => _producer.SendOffsetsToTransaction(offsets, consumer.ConsumerGroupMetadata, CallTimeout));
                // The commit's own flush polls in steps of 10 ms; waiting for the reports here is quicker.
                Task.WhenAll(delivered).WaitAsync(CallTimeout).GetAwaiter().GetResult();
                Retrying(() => _producer.CommitTransaction(CallTimeout));
                return;
            }
            catch (KafkaTxnRequiresAbortException exception)
            {
                Retrying(() => _producer.AbortTransaction(CallTimeout));
                if (IsFence(exception.Error.Code))
                    throw new FencedException(exception.Error.Reason);
                if (attempt == Attempts)
                    throw;
            }
            catch (KafkaException exception) when (IsFence(exception.Error.Code))
            {
                Renew();
                throw new FencedException(exception.Error.Reason);
            }
        }
    }

    public void Dispose() => _producer.Dispose();

    private static void Retrying(Action call)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                call();
                return;
            }
            catch (KafkaRetriableException) when (attempt < Attempts)
            {
                // The same call may be made again, and must be before any other.
            }
        }
    }

    /// <summary>A producer that was fenced is of no more use.</summary>
    private void Renew()
    {
        _producer.Dispose();
        _producer = cluster.TransactionalProducer(workerId);
        Open(CancellationToken.None);
    }

    private static bool IsFence(ErrorCode code) => code is
        ErrorCode.UnknownMemberId or ErrorCode.IllegalGeneration or ErrorCode.FencedInstanceId or ErrorCode.RebalanceInProgress
        or ErrorCode.InvalidProducerEpoch or ErrorCode.ProducerFenced or ErrorCode.Local_Fenced;
}

/// <summary>On the embedded broker, which has no transactions: the records, acknowledged, and then the offsets. A crash between them repeats the records, and readers drop doubles.</summary>
internal sealed class PlainCommit(KafkaCluster cluster) : ILaneCommit
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);

    private readonly IProducer<byte[]?, byte[]?> _producer = cluster.RequestProducer(CallTimeout);

    public void Open(CancellationToken cancellationToken)
    {
        // A plain producer needs no opening.
    }

    public void Commit(IConsumer<byte[]?, byte[]?> consumer, IReadOnlyList<CommitRecord> records, IReadOnlyList<TopicPartitionOffset> offsets)
    {
        Task.WhenAll(records.Select(record => _producer.ProduceAsync(record.TopicPartition, record.Message))).GetAwaiter().GetResult();
        try
        {
            consumer.Commit(offsets);
        }
        catch (KafkaException exception) when (exception.Error.Code is ErrorCode.UnknownMemberId or ErrorCode.IllegalGeneration or ErrorCode.RebalanceInProgress)
        {
            throw new FencedException(exception.Error.Reason);
        }
    }

    public void Dispose() => _producer.Dispose();
}

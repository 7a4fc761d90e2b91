using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskWorker.Running;

namespace TaskPipeline.TaskWorker.Committing;

/// <summary>On Kafka: one transaction, fenced by the group's generation. While the brokers are away it waits for them.</summary>
internal sealed class TransactionalCommit(KafkaCluster cluster, string workerId) : ILaneCommit
{
    private const int Aborts = 5;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);

    private IProducer<byte[]?, byte[]?> _producer = cluster.TransactionalProducer(workerId);
    private readonly CallTimer _call = new();

    public TimeSpan? InCall => _call.Elapsed;

    public void Open(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                _call.Run(() => _producer.InitTransactions(CallTimeout));
                return;
            }
            catch (KafkaException exception) when (!exception.Error.IsFatal)
            {
                // The coordinator is not there yet: the producer may be asked again.
            }
        }
    }

    public void Commit(Batch batch)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                _call.Run(_producer.BeginTransaction);
                var delivered = batch.Records.Select(record => _producer.ProduceAsync(record.TopicPartition, record.Message)).ToArray();
                Retrying(() => _producer.SendOffsetsToTransaction(batch.Offsets, batch.Member, CallTimeout));
                // The commit's own flush polls in steps of 10 ms; waiting for the reports here is quicker.
                Task.WhenAll(delivered).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
                CrashPoint.Reach(CrashPoint.InTransaction);
                Retrying(() => _producer.CommitTransaction(CallTimeout));
                return;
            }
            catch (KafkaTxnRequiresAbortException exception)
            {
                Retrying(() => _producer.AbortTransaction(CallTimeout));
                if (IsFence(exception.Error.Code))
                    throw new FencedException(exception.Error.Reason);
                if (attempt == Aborts)
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

    private void Retrying(Action call)
    {
        while (true)
        {
            try
            {
                _call.Run(call);
                return;
            }
            catch (KafkaRetriableException)
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

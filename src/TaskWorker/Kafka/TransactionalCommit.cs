using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>Commit on Kafka: one transaction, fenced by the group's generation. While the brokers are away it waits for them.</summary>
internal sealed class TransactionalCommit(KafkaCluster cluster, string workerId, TimeProvider clock) : ILaneCommit
{
    private const int Attempts = 5;   // an aborted transaction can make the next one fail too
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);

    private IProducer<byte[]?, byte[]?> _producer = cluster.TransactionalProducer(workerId);
    private readonly CallTimer _call = new(clock);

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
                // The coordinator is not available yet: InitTransactions can be repeated.
            }
        }
    }

    public void Commit(Batch batch)
    {
        for (var attempt = 1; ; attempt++)
        {
            Deliveries? deliveries = null;
            try
            {
                _call.Run(_producer.BeginTransaction);
                deliveries = Deliveries.Start(_producer, batch.Records);
                Retrying(() => _producer.SendOffsetsToTransaction(batch.Offsets, batch.Member, CallTimeout));
                deliveries.Wait();   // faster than the commit's own flush, which polls every 10 ms
                if (deliveries.Error is { } error)
                {
                    Abort(deliveries, error, isLast: attempt == Attempts);
                    continue;
                }
                CrashPoint.Reach(CrashPoint.InTransaction);
                Retrying(() => _producer.CommitTransaction(CallTimeout));
                return;
            }
            catch (KafkaTxnRequiresAbortException exception)
            {
                Abort(deliveries, exception.Error, isLast: attempt == Attempts);
            }
            catch (KafkaException exception) when (IsFence(exception.Error.Code))
            {
                Renew();
                throw new FencedException(exception.Error.Reason);
            }
        }
    }

    public void Dispose() => _producer.Dispose();

    /// <exception cref="RefusedException">Some records can never be written.</exception>
    /// <exception cref="FencedException">The group has a newer generation.</exception>
    /// <exception cref="KafkaException">The last attempt has failed.</exception>
    private void Abort(Deliveries? deliveries, Error error, bool isLast)
    {
        Retrying(() => _producer.AbortTransaction(CallTimeout));
        deliveries?.Wait();
        try
        {
            deliveries?.ThrowIfRefused();
        }
        catch (RefusedException)
        {
            Renew();   // a refused record leaves a hole in the producer's sequence, and the next transaction would fail
            throw;
        }
        if (IsFence(error.Code))
            throw new FencedException(error.Reason);
        if (isLast)
            throw new KafkaException(error);
    }

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
                // The same call can be repeated, and must be, before any other call.
            }
        }
    }

    /// <summary>A fenced producer cannot be used any more.</summary>
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

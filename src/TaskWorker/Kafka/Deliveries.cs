using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// The deliveries of a batch's records. A commit covers what has reached the broker, not what was requested: a record that the client refuses, for
/// example because it is too large, is missing from a transaction that is committed anyway. So each delivery is checked before the commit.
/// </summary>
internal sealed class Deliveries
{
    private readonly IReadOnlyList<(CommitRecord Record, Task Delivery)> _all;

    private Deliveries(IReadOnlyList<(CommitRecord, Task)> all) => _all = all;

    public static Deliveries Start(IProducer<byte[]?, byte[]?> producer, IEnumerable<CommitRecord> records) =>
        new([.. records.Select(record => (record, (Task)producer.DeliverAsync(record.TopicPartition, record.Message)))]);

    public IEnumerable<CommitRecord> Failed => _all.Where(one => one.Delivery.IsFaulted).Select(one => one.Record);

    /// <summary>The error of a record that was not delivered; null: all were delivered.</summary>
    public Error? Error => _all.Select(one => ErrorOf(one.Delivery)).FirstOrDefault(error => error is not null);

    /// <summary>Waits until each record is delivered or has failed.</summary>
    public void Wait() => Task.WhenAll(_all.Select(one => one.Delivery)).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();

    /// <exception cref="RefusedException">Some records can never be delivered.</exception>
    public void ThrowIfRefused()
    {
        var refused = _all.Where(one => ErrorOf(one.Delivery)?.IsRefusal() == true).ToList();
        if (refused.Count > 0)
            throw new RefusedException([.. refused.Select(one => one.Record)], ErrorOf(refused[0].Delivery)!);
    }

    /// <exception cref="KafkaException">A record was not delivered.</exception>
    public void ThrowIfFailed()
    {
        if (Error is { } error)
            throw new KafkaException(error);
    }

    private static Error? ErrorOf(Task delivery) =>
        delivery.Exception?.InnerException is { } exception
            ? (exception as KafkaException)?.Error ?? new Error(ErrorCode.Local_Fail, exception.Message)
            : null;
}

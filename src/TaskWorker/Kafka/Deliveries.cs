using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// What has become of the records of a batch. A commit tells of what has reached the broker, not of what was asked for: a record that the client refuses,
/// because it is too large for one, is missing from a transaction that is committed all the same. So each delivery is looked at before that.
/// </summary>
internal sealed class Deliveries
{
    private readonly IReadOnlyList<(CommitRecord Record, Task Delivery)> _all;

    private Deliveries(IReadOnlyList<(CommitRecord, Task)> all) => _all = all;

    public static Deliveries Start(IProducer<byte[]?, byte[]?> producer, IEnumerable<CommitRecord> records) =>
        new([.. records.Select(record => (record, (Task)producer.DeliverAsync(record.TopicPartition, record.Message)))]);

    public IEnumerable<CommitRecord> Failed => _all.Where(one => one.Delivery.IsFaulted).Select(one => one.Record);

    /// <summary>Why one was not delivered; null: all were.</summary>
    public Error? Error => _all.Select(one => ErrorOf(one.Delivery)).FirstOrDefault(error => error is not null);

    /// <summary>Until each is delivered, or is known not to be.</summary>
    public void Wait() => Task.WhenAll(_all.Select(one => one.Delivery)).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();

    /// <exception cref="RefusedException">Some are of a kind that is never delivered.</exception>
    public void ThrowIfRefused()
    {
        var refused = _all.Where(one => ErrorOf(one.Delivery)?.IsRefusal() == true).ToList();
        if (refused.Count > 0)
            throw new RefusedException([.. refused.Select(one => one.Record)], ErrorOf(refused[0].Delivery)!);
    }

    /// <exception cref="KafkaException">One was not delivered.</exception>
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

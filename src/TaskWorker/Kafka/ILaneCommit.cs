using Confluent.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>The seam between the two kinds of broker.</summary>
internal interface ILaneCommit : IDisposable
{
    /// <summary>Once, before the first commit; waits until the brokers answer.</summary>
    void Open(CancellationToken cancellationToken);

    /// <exception cref="FencedException">The group has moved on; nothing was written that counts.</exception>
    /// <exception cref="RefusedException">Some records can never be written so; nothing was written that counts.</exception>
    /// <exception cref="KafkaException">What became of it is not known. The process must end: the next owner finds out from the log.</exception>
    void Commit(Batch batch);

    /// <summary>Since when a single call into the client has not come back; null: none is under way.</summary>
    TimeSpan? InCall { get; }
}

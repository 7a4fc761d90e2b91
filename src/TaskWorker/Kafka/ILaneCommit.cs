using Confluent.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>A commit on one of the two kinds of broker.</summary>
internal interface ILaneCommit : IDisposable
{
    /// <summary>Called once, before the first commit; waits until the brokers answer.</summary>
    void Open(CancellationToken cancellationToken);

    /// <exception cref="FencedException">The group has a newer generation; nothing was committed.</exception>
    /// <exception cref="RefusedException">Some records can never be written; nothing was committed.</exception>
    /// <exception cref="KafkaException">The result is unknown. The process must end: the next owner finds it in the log.</exception>
    void Commit(Batch batch);

    /// <summary>How long the current call into the client has been running; null: none is running.</summary>
    TimeSpan? InCall { get; }
}

using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Reporting;

/// <summary>
/// Appends to <c>task-progress</c>; a lane's records lie there in the order in which they were appended. A record that Kafka refuses for
/// good fails <see cref="Broken"/>: the log would have a hole, so the worker must not outlive that.
/// </summary>
internal sealed class ProgressLog(KafkaCluster cluster, PlainProducer producer)
{
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Never completes but by failing.</summary>
    public Task Broken => _broken.Task;

    /// <summary>Appends and waits until Kafka has it; answers its offset.</summary>
    public async Task<long> AppendAsync(int lane, ProgressRecord record)
    {
        var acknowledged = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        Produce(lane, record, report =>
        {
            if (report.Error.IsError)
                acknowledged.TrySetException(new KafkaException(report.Error));
            else
                acknowledged.TrySetResult(report.Offset.Value);
        });
        return await acknowledged.Task;
    }

    /// <summary>Appends without waiting; <paramref name="done"/> is called with its offset once Kafka has it, or with -1 if it never will.</summary>
    public void Append(int lane, ProgressRecord record, Action<long> done) => Produce(lane, record, report => done(report.Error.IsError ? -1 : report.Offset.Value));

    private void Produce(int lane, ProgressRecord record, Action<DeliveryReport<byte[]?, byte[]?>> done)
    {
        var taskId = (record as AttemptRecord)?.TaskId;
        producer.Produce(cluster.Topics.Progress, lane, taskId, TaskJson.Encode(record), report =>
        {
            if (report.Error.IsError)
                _broken.TrySetException(new KafkaException(report.Error));
            done(report);
        });
    }
}

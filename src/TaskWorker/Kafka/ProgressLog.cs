using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Appends to <c>task-progress</c>; a lane's records lie there in the order in which they were appended. A record that Kafka does not take because of what it
/// is, too large for one, is left out and named, and the log goes on behind it. Any other that never arrives fails <see cref="Broken"/>: the log would have a
/// hole that nobody knows of, so the worker must not outlive that.
/// </summary>
internal sealed class ProgressLog(KafkaCluster cluster, PlainProducer producer, WorkerWarnings warnings)
{
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Never completes but by failing.</summary>
    public Task Broken => _broken.Task;

    /// <summary>Appends and waits until Kafka has it; answers the last one's offset.</summary>
    /// <exception cref="KafkaException">It never will; a refusal (<see cref="KafkaClients.IsRefusal"/>) is that of the last record.</exception>
    public async Task<long> AppendAsync(int lane, params IReadOnlyList<ProgressRecord> records)
    {
        var acknowledged = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        Produce(lane, records, report =>
        {
            if (report.Error.IsError)
                acknowledged.TrySetException(new KafkaException(report.Error));
            else
                acknowledged.TrySetResult(report.Offset.Value);
        });
        return await acknowledged.Task;
    }

    /// <summary>Appends without waiting; <paramref name="done"/> is called with the last one's offset once Kafka has it, or with -1 if it never will.</summary>
    public void Append(int lane, IReadOnlyList<ProgressRecord> records, Action<long> done) =>
        Produce(lane, records, report => done(report.Error.IsError ? -1 : report.Offset.Value));

    /// <summary>One right after the other, so that they go in one request.</summary>
    private void Produce(int lane, IReadOnlyList<ProgressRecord> records, Action<DeliveryReport<byte[]?, byte[]?>> done)
    {
        List<byte[]> values = [.. records.Select(record => TaskJson.Encode(record))];
        for (var i = 0; i < values.Count; i++)
        {
            var (record, size, isLast) = (records[i], values[i].Length, i == values.Count - 1);
            producer.Produce(cluster.Topics.Progress, lane, (record as AttemptRecord)?.TaskId, values[i], report =>
            {
                if (report.Error.IsRefusal())
                    Refuse(record, size, report.Error);
                else if (report.Error.IsError)
                    _broken.TrySetException(new KafkaException(report.Error));
                if (isLast)
                    done(report);
            });
        }
    }

    private void Refuse(ProgressRecord record, int size, Error error)
    {
        var whose = record is AttemptRecord { TaskId: var taskId } ? $" of task {taskId}" : "";
        warnings.Add($"{cluster.Topics.Progress} does not take a record {record.GetType().Name} of {size} bytes{whose}, which is left out: {error.Reason}");
    }
}

using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Appends to <c>task-progress</c>; a lane's records are in the order in which they were appended. A record that Kafka refuses for what it is, for
/// example because it is too large, is left out with a warning, and the log continues. Any other failed record fails <see cref="Broken"/>: the log
/// would have an unknown hole, so the worker must end.
/// </summary>
internal sealed class ProgressLog(KafkaCluster cluster, PlainProducer producer, WorkerWarnings warnings)
{
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Fails when a record is lost; never completes otherwise.</summary>
    public Task Broken => _broken.Task;

    /// <summary>Appends records and waits until Kafka has them; returns the offset of the last.</summary>
    /// <exception cref="KafkaException">Kafka will never have the last record; for a refusal see <see cref="KafkaClients.IsRefusal"/>.</exception>
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

    /// <summary>Appends without waiting; <paramref name="done"/> gets the last record's offset once Kafka has it, or -1 if it never will.</summary>
    public void Append(int lane, IReadOnlyList<ProgressRecord> records, Action<long> done) =>
        Produce(lane, records, report => done(report.Error.IsError ? -1 : report.Offset.Value));

    /// <summary>Produces the records back to back, so that they go in one request.</summary>
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
        warnings.Add($"{cluster.Topics.Progress} refuses a record {record.GetType().Name} of {size} bytes{whose}, which is left out: {error.Reason}");
    }
}

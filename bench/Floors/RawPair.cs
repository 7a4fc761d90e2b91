using System.Diagnostics;
using System.Text;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Floors;

/// <summary>The floor of watching: a producer and a consumer with the pipeline's settings and nothing between them but the broker.</summary>
internal static class RawPair
{
    private static readonly TimeSpan LastRecord = TimeSpan.FromSeconds(5);

    /// <summary>Sends records like those of output lines, and answers the age of each in milliseconds when it is consumed.</summary>
    public static async Task<IReadOnlyList<double>> RunAsync(KafkaCluster cluster, TimeSpan interval, int count, CancellationToken stop)
    {
        var lane = new TopicPartition(cluster.Topics.Progress, 0);
        using var consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        consumer.Assign(new TopicPartitionOffset(lane, consumer.QueryWatermarkOffsets(lane, LastRecord).High));
        using var producer = cluster.OrderedProducer();
        var consuming = Task.Factory.StartNew(() => Consume(consumer, count, stop), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.Factory.StartNew(() => Produce(producer, lane, interval, count, stop), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return await consuming;
    }

    private static void Produce(IProducer<byte[]?, byte[]?> producer, TopicPartition lane, TimeSpan interval, int count, CancellationToken stop)
    {
        var taskId = TaskIds.New();
        var pace = new Pace(interval);
        for (var number = 1; number <= count; number++)
        {
            pace.Wait();
            stop.ThrowIfCancellationRequested();
            var text = Stopwatch.GetTimestamp().ToString();
            var now = DateTimeOffset.UtcNow;
            var record = new OutputLines
            {
                Epoch = 1,
                Owner = "000000000000",
                TaskId = taskId,
                Attempt = 1,
                At = now,
                Lines = [new OutputLine(number, OutputStream.Stdout, text, now)],
                Update = text,
            };
            producer.Produce(lane, new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(taskId), Value = TaskJson.Encode(record) });
        }
        producer.Flush(LastRecord);
    }

    private static List<double> Consume(IConsumer<byte[]?, byte[]?> consumer, int count, CancellationToken stop)
    {
        var ages = new List<double>();
        while (ages.Count < count)
        {
            var result = consumer.Consume(stop);
            var seen = Stopwatch.GetTimestamp();
            if (!result.IsPartitionEOF && TaskJson.TryDecodeProgress(result.Message.Value, out var record, out _))
                ages.Add(LineAgent.Age(((OutputLines)record!).Lines[0].Text, seen));
        }
        return ages;
    }
}

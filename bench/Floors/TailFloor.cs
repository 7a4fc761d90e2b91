using System.Diagnostics;
using System.Globalization;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Floors;

/// <summary>
/// The floor of a restart: a program that starts, reads <c>task-progress</c> with the API's client settings, and does nothing with it. It is run as
/// <c>Bench tail-floor RECORDS</c>.
/// </summary>
internal static class TailFloor
{
    public const string Name = "tail-floor";
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(5);

    /// <summary>Seconds from its start until it has read everything, at least this many records.</summary>
    public static async Task<double> RunAsync(BenchBroker broker, KafkaCluster cluster, long records)
    {
        var since = Stopwatch.GetTimestamp();
        await using var process = ChildProcess.Start("Bench", [Name, $"{records}"], broker.SettingsFor(cluster));
        await process.WaitForLineAsync("read", MaxWait);
        return Stopwatch.GetElapsedTime(since).TotalSeconds;
    }

    public static int Run(string records)
    {
        var wanted = long.Parse(records, CultureInfo.InvariantCulture);
        var cluster = BenchBroker.ClusterOfThisProcess();
        using var consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        consumer.Assign(Enumerable.Range(0, PipelineUnderTest.Lanes).Select(lane => new TopicPartitionOffset(cluster.Topics.Progress, lane, Offset.Beginning)));
        for (var (read, ends) = (0L, 0); ends < PipelineUnderTest.Lanes || read < wanted;)
        {
            if (consumer.Consume().IsPartitionEOF)
                ends++;
            else
                read++;
        }
        Console.WriteLine("read");
        return 0;
    }
}

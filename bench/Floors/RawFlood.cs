using System.Diagnostics;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Floors;

/// <summary>
/// The floor of a flood: the same agent into a producer with the worker's settings. Each line is a record, without time, number, stream or hash.
/// </summary>
internal static class RawFlood
{
    private const int ReadBytes = 64 * 1024;

    /// <summary>Lines per second, from the start of the agent until Kafka has the last line.</summary>
    public static async Task<double> RunAsync(KafkaCluster cluster, int lines, int length)
    {
        using var producer = cluster.OrderedProducer();
        producer.Flush(TimeSpan.Zero);
        var lane = new TopicPartition(cluster.Topics.Progress, 0);
        var taken = 0;
        var failed = 0;
        var began = Stopwatch.GetTimestamp();
        using var agent = Process.Start(new ProcessStartInfo(BuildOutput.ProgramOf("Bench"), [FloodAgent.Name, lines.ToString(), length.ToString()])
        {
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_ROOT"] = BuildOutput.DotnetRoot },
        })!;
        var buffer = new byte[ReadBytes + length];
        var kept = 0;
        while (await agent.StandardOutput.BaseStream.ReadAsync(buffer.AsMemory(kept, ReadBytes)) is > 0 and var read)
        {
            kept += read;
            var from = 0;
            for (int end; (end = Array.IndexOf(buffer, (byte)'\n', from, kept - from)) >= 0; from = end + 1)
                Produce(buffer[from..end]);
            Array.Copy(buffer, from, buffer, 0, kept -= from);
        }
        producer.Flush(CancellationToken.None);
        var took = Stopwatch.GetElapsedTime(began);
        return failed == 0 && taken == lines ? lines / took.TotalSeconds : throw new BenchException($"of {lines} lines the raw producer sent {taken}, and {failed} failed");

        void Produce(byte[] line)
        {
            while (true)
            {
                try
                {
                    producer.Produce(lane, new Message<byte[]?, byte[]?> { Value = line }, report => Interlocked.Add(ref failed, report.Error.IsError ? 1 : 0));
                    taken++;
                    return;
                }
                catch (ProduceException<byte[]?, byte[]?> exception) when (exception.Error.Code == ErrorCode.Local_QueueFull)
                {
                    Thread.Sleep(1);   // its queue has 100,000 records
                }
            }
        }
    }
}

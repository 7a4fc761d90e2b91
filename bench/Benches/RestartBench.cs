using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Benches;

/// <summary>How soon a starting API has read everything, compared with a consumer that only reads it.</summary>
internal sealed class RestartBench : Benchmark
{
    private const double MostSeconds = 10;
    private const double MostRatio = 2;
    private const int Tasks = 20;

    public override string Name => "restart";

    public override string Summary => "an API's start with a million records to read, compared with a program that only reads them";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "5", "how often floor and API take turns"),
        new("--records", "N", "1000000", "records in task-progress, one line each, of 20 tasks"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var records = run.Arguments.Number("--records", 1000, 100_000_000);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "restart", run.Stop);
        run.Say($"writing {records:#,0} records");
        for (var lane = 0; lane < Tasks; lane++)
            await WriteAsync(pipeline.Cluster, lane, records / Tasks);

        var (floor, subject) = (new List<double>(), new List<double>());
        for (var round = 0; round <= rounds; round++)
        {
            var bare = await TailFloor.RunAsync(broker, pipeline.Cluster, records);
            var since = Stopwatch.GetTimestamp();
            await pipeline.StartApiAsync(connections: 4);
            var ready = Stopwatch.GetElapsedTime(since).TotalSeconds;
            run.Say($"{(round == 0 ? "warming up" : $"round {round}")}: ready after {ready:0.00} s, {pipeline.Apis[^1].CpuSeconds:0.0} s of CPU time, {pipeline.Apis[^1].ResidentMiB:0} MiB; a program that only reads {bare:0.00} s");
            pipeline.Terminate(pipeline.Apis[^1]);
            await pipeline.Apis[^1].ExitedAsync();
            if (round == 0)
                continue;
            floor.Add(bare);
            subject.Add(ready);
        }
        var figure = Figure.Of("restart.ready_seconds", "s", subject, floor, "a separate program that starts and reads task-progress to its end, with the API's client settings, s");
        run.HasFailed |= figure.Value > MostSeconds || figure.Ratio > MostRatio;
        return [figure];
    }

    private static async Task WriteAsync(KafkaCluster cluster, int lane, int lines)
    {
        using var task = await WrittenTask.StartAsync(cluster, lane);
        await task.FloodAsync(lines, length: 100, perRecord: 1);
    }
}

using System.Diagnostics;
using System.Net;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Bench.Benches;

/// <summary>How fast a late watcher receives a task's output from its first line: from memory, and from Kafka if it no longer is in memory.</summary>
internal sealed class ReplayBench : Benchmark
{
    private const double MostSeconds = 0.5;
    private const double LeastRate = 200_000;
    private const int Short = 100_000;
    private const int Length = 100;

    public override string Name => "replay";

    public override string Summary => "late watchers of 100,000 lines, and of a million, from the first line; the API's memory";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "5", "how often each task is watched"),
        new("--lines", "N", "1000000", "lines of the long task"),
        new("--per-record", "N", "1", "lines in each record; the records of a flood have about a hundred"),
        new("--memory", "MIB", "64", "Api:MaxLogBytes; the long task must not fit"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var lines = run.Arguments.Number("--lines", Short, 100_000_000);
        var perRecord = run.Arguments.Number("--per-record", 1, 1000);
        var memory = run.Arguments.Number("--memory", 1, 100_000);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "replay", run.Stop);
        run.Say("writing the lines");
        using var small = await WriteAsync(pipeline, 0, Short, perRecord);
        using var large = await WriteAsync(pipeline, 1, lines, perRecord);
        await pipeline.StartApiAsync(connections: 4, KeyValuePair.Create("Api__MaxLogBytes", (string?)$"{memory << 20}"));
        var before = pipeline.Apis[0].ResidentMiB;

        var (seconds, rates) = (new List<double>(), new List<double>());
        for (var round = 0; round <= rounds; round++)
        {
            var late = await JoinAsync(pipeline, small, Short, run.Stop);
            var rate = lines / await JoinAsync(pipeline, large, lines, run.Stop);
            run.Say($"{(round == 0 ? "warming up" : $"round {round}")}: {Short:#,0} lines in {late:0.000} s; {lines:#,0} lines at {rate:#,0}/s; {pipeline.Apis[0].ResidentMiB:0} MiB");
            if (round == 0)
                continue;
            seconds.Add(late);
            rates.Add(rate);
        }
        var figures = new[]
        {
            Figure.Of("replay.late_joiner_seconds", "s", seconds),
            Figure.Of("replay.lines_per_second", "lines/s", rates),
            Figure.Of("replay.api_mib_at_start", "MiB", [before]),
            Figure.Of("replay.api_peak_mib", "MiB", [pipeline.Apis[0].PeakMiB]),
        };
        run.HasFailed |= figures[0].Value > MostSeconds || figures[1].Value < LeastRate;
        return figures;
    }

    private static async Task<WrittenTask> WriteAsync(PipelineUnderTest pipeline, int lane, int lines, int perRecord)
    {
        var task = await WrittenTask.StartAsync(pipeline.Cluster, lane);
        await task.FloodAsync(lines, Length, perRecord);
        return task;
    }

    /// <summary>Seconds until the last line has arrived.</summary>
    private static async Task<double> JoinAsync(PipelineUnderTest pipeline, WrittenTask task, long lines, CancellationToken stop)
    {
        using var watcher = new RawWatcher();
        var since = Stopwatch.GetTimestamp();
        watcher.Connect(new IPEndPoint(IPAddress.Loopback, pipeline.Http.BaseAddress!.Port), task.Watch);
        await OwnThread.Run(() => RawWatcher.ReadAtOnce([watcher], lines, stop));
        stop.ThrowIfCancellationRequested();
        if (watcher.Lines != lines || watcher.Wrong > 0)
            throw new BenchException($"{watcher.Lines} of {lines} lines arrived, {watcher.Wrong} of them out of order");
        return Stopwatch.GetElapsedTime(since, watcher.LastAt).TotalSeconds;
    }
}

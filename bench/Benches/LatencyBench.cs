using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;

namespace TaskPipeline.Bench.Benches;

/// <summary>How long a line takes from the agent to a watcher, compared with Kafka alone.</summary>
internal sealed class LatencyBench : Benchmark
{
    private const double MostTimesTheFloor50 = 2;
    private const double MostTimesTheFloor99 = 5;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3);  // these lines do not count

    public override string Name => "latency";

    public override string Summary => "from the printing of a line to its arrival at a watcher, compared with a raw produce → consume pair";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "5", "tasks that are watched, one after the other"),
        new("--seconds", "N", "20", "duration of the lines in each round"),
        new("--interval", "MS", "10", "milliseconds from one line to the next"),
    ];

    /// <summary>The raw pair runs at the same time and beat, so that both see the same noise of the machine.</summary>
    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var interval = TimeSpan.FromMilliseconds(run.Arguments.Number("--interval", 1, 1000));
        var unmeasured = (int)(WarmUp / interval);
        var count = unmeasured + (int)(TimeSpan.FromSeconds(run.Arguments.Number("--seconds", 1, 600)) / interval);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "latency", run.Stop);
        await Task.WhenAll(pipeline.StartApiAsync(connections: 4), pipeline.StartWorkersAsync(1));
        await using var raw = new RawPair(await broker.NewTopicsAsync("latency-raw", PipelineUnderTest.Lanes, run.Stop), run.Stop);
        var (floor50, floor99, subject50, subject99) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var round = 1; round <= rounds; round++)
        {
            var task = await pipeline.SubmitAsync(new { type = "lines", @params = new { interval = (int)interval.TotalMilliseconds, count } });
            var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var watching = LineWatcher.WatchAsync(pipeline.Http.BaseAddress!, task.Watch, began.SetResult, run.Stop);
            await await Task.WhenAny(began.Task, watching);
            var pair = raw.RunAsync(interval, count);
            var (lines, records) = ((await watching).Skip(unmeasured).ToList(), (await pair).Skip(unmeasured).ToList());
            if (lines.Count != count - unmeasured)
                throw new BenchException($"the watcher saw {lines.Count + unmeasured} of {count} lines");
            subject50.Add(Statistics.Percentile(lines, 0.5));
            subject99.Add(Statistics.Percentile(lines, 0.99));
            floor50.Add(Statistics.Percentile(records, 0.5));
            floor99.Add(Statistics.Percentile(records, 0.99));
            run.Say($"round {round}: line to watcher p50 {subject50[^1]:0.00} ms, p99 {subject99[^1]:0.00} ms; raw pair {floor50[^1]:0.00} and {floor99[^1]:0.00} ms");
        }
        var pairIs = $"a raw produce → consume pair with the pipeline's client settings, a record every {interval.TotalMilliseconds} ms at the same time, ms";
        var (p50, p99) = (Figure.Of("latency.p50_ms", "ms", subject50, floor50, pairIs), Figure.Of("latency.p99_ms", "ms", subject99, floor99, pairIs));
        run.HasFailed |= p50.Ratio > MostTimesTheFloor50 || p99.Ratio > MostTimesTheFloor99;
        return [p50, p99];
    }
}

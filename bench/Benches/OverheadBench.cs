using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;

namespace TaskPipeline.Bench.Benches;

/// <summary>
/// What a task costs in addition to its agent, one at a time: from the start of an attempt of <c>true</c> until its end is committed and read.
/// </summary>
internal sealed class OverheadBench : Benchmark
{
    private const int WarmUp = 20;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(100);   // longer than a task takes

    public override string Name => "overhead";

    public override string Summary => "from the start of an agent that does nothing to its committed end, compared with only a spawn and a transaction";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "3", "how often floor and worker take turns"),
        new("--tasks", "N", "200", "tasks in each turn"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var tasks = run.Arguments.Number("--tasks", 1, 100_000);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "overhead", run.Stop);
        await pipeline.StartWorkersAsync(1);
        await using var floor = await NoopFloor.StartAsync(broker, "overhead-floor", processes: 1, run.Stop);
        await floor.RunAsync(WarmUp, run.Stop);
        await TimesAsync(WarmUp);
        var (baseline, subject) = (new List<double>(), new List<double>());
        for (var round = 1; round <= rounds; round++)
        {
            baseline.Add(1000 / await floor.RunAsync(tasks, run.Stop));
            subject.Add(Statistics.Median(await TimesAsync(tasks)));
            run.Say($"round {round}: {subject[^1]:0.0} ms; floor {baseline[^1]:0.0} ms");
        }
        return [Figure.Of("overhead.per_task", "ms", subject, baseline, "setsid true and one transaction of an end and a state, one after the other, ms each")];

        async Task<List<double>> TimesAsync(int count)
        {
            var before = pipeline.State.Count;
            await pipeline.QueueAsync("noop", count, Beat);
            var ends = await pipeline.State.NextAsync(before, count, run.Stop);
            return [.. ends.Select(end => (end.ReadAt - end.State.Attempts[0].StartedAt).TotalMilliseconds)];
        }
    }
}

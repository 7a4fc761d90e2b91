using TaskPipeline.Bench.Driving;

namespace TaskPipeline.Bench.Benches;

/// <summary>What safety costs: tasks that do nothing on real workers, compared with the same work in a loop without claims, fencing and transactions.</summary>
internal sealed class ThroughputBench : Benchmark
{
    public override string Name => "throughput";

    public override string Summary => "no-op tasks per second of workers, compared with the same work without transactions and fencing";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "3", "how often floor and workers take turns"),
        new("--tasks", "N", "1500", "tasks in each turn"),
        new("--workers", "LIST", "1,4", "how many workers run them"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var tasks = run.Arguments.Number("--tasks", 8, 1_000_000);
        var counts = run.Arguments.Numbers("--workers", 1, 16);
        await using var broker = await BenchBroker.StartAsync(run);
        List<Figure> figures = [];
        foreach (var workers in counts)
            figures.Add(await MeasureAsync(run, broker, workers, rounds, tasks));
        return figures;
    }

    private static async Task<Figure> MeasureAsync(BenchRun run, BenchBroker broker, int workers, int rounds, int tasks)
    {
        await using var floor = await PipelineUnderTest.StartAsync(broker, $"loops-{workers}", run.Stop);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, $"workers-{workers}", run.Stop);
        run.Say($"starting {workers} workers and as many loops");
        await floor.StartLoopsAsync(workers);
        await pipeline.StartWorkersAsync(workers);
        run.Say("warming up");
        await RateAsync(floor, tasks / 4, run.Stop);
        await RateAsync(pipeline, tasks / 4, run.Stop);
        var (baseline, subject) = (new List<double>(), new List<double>());
        for (var round = 1; round <= rounds; round++)
        {
            baseline.Add(await RateAsync(floor, tasks, run.Stop));
            subject.Add(await RateAsync(pipeline, tasks, run.Stop));
            run.Say($"workers: {workers}, round {round}: {subject[^1]:0.0} tasks/s; floor {baseline[^1]:0.0}/s");
        }
        return Figure.Of($"throughput.tasks_per_second.{workers}_worker{(workers == 1 ? "" : "s")}", "tasks/s", subject, baseline,
            "as many group members that do the same work, write the end without a transaction and commit the offset after each task, tasks/s");
    }

    /// <summary>From the first start to the last committed end.</summary>
    private static async Task<double> RateAsync(PipelineUnderTest pipeline, int count, CancellationToken stop)
    {
        var before = pipeline.State.Count;
        await pipeline.QueueAsync("noop", count);
        var ends = await pipeline.State.NextAsync(before, count, stop);
        return count / (ends[^1].ReadAt - ends.Min(end => end.State.Attempts[0].StartedAt)).TotalSeconds;
    }
}

using TaskPipeline.Bench.Driving;

namespace TaskPipeline.Bench.Benches;

/// <summary>How punctual retries are, with two API replicas of which one is killed halfway.</summary>
internal sealed class RetriesBench : Benchmark
{
    private const int Workers = 2;
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(30);

    public override string Name => "retries";

    public override string Summary => "how late retries return to the queue while one of two API replicas is killed";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--tasks", "N", "1000", "tasks that fail once and are retried after 20 s"),
        new("--seconds", "N", "60", "duration in which they are submitted, and so become due, at a steady beat"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var tasks = run.Arguments.Number("--tasks", 2, 1_000_000);
        var duration = TimeSpan.FromSeconds(run.Arguments.Number("--seconds", 1, 86_400));
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "retries", run.Stop);
        await Task.WhenAll(StartApisAsync(), pipeline.StartWorkersAsync(Workers));
        await using var retries = new RetryReader(pipeline.Cluster);

        run.Say($"{tasks} tasks fail within {duration.TotalSeconds} s");
        var queueing = pipeline.QueueAsync("retried", tasks, duration / tasks);
        await retries.PutBackAsync(tasks / 2, PipelineUnderTest.RetryAfter + duration + Slack, run.Stop);
        pipeline.Kill(pipeline.Apis[0]);
        run.Say("half of them are back in the queue; killing one API replica");
        await queueing;
        await retries.PutBackAsync(tasks, duration + Slack, run.Stop);
        await pipeline.State.NextAsync(0, tasks, run.Stop);
        pipeline.ThrowIfBroken();

        var late = retries.Late;
        var spread = (Least: late.Min(), Most: late.Max());
        return
        [
            new Figure("retries.late_ms.p50", Statistics.Percentile(late, 0.5), "ms", spread.Least, spread.Most),
            new Figure("retries.late_ms.p99", Statistics.Percentile(late, 0.99), "ms", spread.Least, spread.Most),
            new Figure("retries.late_ms.max", spread.Most, "ms", spread.Least, spread.Most),
            Figure.Of("retries.early", "tasks", [late.Count(lateness => lateness < 0)]),
            Figure.Of("retries.put_back_twice", "tasks", [retries.Doubles]),
        ];

        async Task StartApisAsync()
        {
            await pipeline.StartApiAsync(connections: 4);
            await pipeline.StartApiAsync(connections: 4);
        }
    }
}

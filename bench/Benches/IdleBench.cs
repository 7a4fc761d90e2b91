using TaskPipeline.Bench.Driving;

namespace TaskPipeline.Bench.Benches;

/// <summary>The memory that watchers cost the API while nothing happens.</summary>
internal sealed class IdleBench : Benchmark
{
    private const double MostKiB = 15_000 / 1024.0;
    private const int WarmUp = 500;
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(20);   // one or two garbage collections, and the first pings

    public override string Name => "idle";

    public override string Summary => "the API's memory for each of ten thousand watchers of a silent task";

    protected override IReadOnlyList<BenchOption> Own => [new("--watchers", "N", "10000", "WebSockets on the one task")];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var watchers = run.Arguments.Number("--watchers", 1, 25_000);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "idle", run.Stop);
        await pipeline.StartApiAsync(connections: 4, KeyValuePair.Create("Api__MaxWatchers", (string?)"30000"), KeyValuePair.Create("Api__MaxWatchersPerClient", (string?)"30000"));
        using var task = await WrittenTask.StartAsync(pipeline.Cluster, 0);
        await using (await WatcherLoad.StartAsync(pipeline.Http.BaseAddress!.Port, task.Watch, WarmUp, 1))
            await Task.Delay(Settled, run.Stop);
        var before = pipeline.Apis[0].ResidentMiB;
        await using var load = await WatcherLoad.StartAsync(pipeline.Http.BaseAddress!.Port, task.Watch, watchers, 1);
        await Task.Delay(Settled, run.Stop);
        var after = pipeline.Apis[0].ResidentMiB;
        run.Say($"{before:0} MiB before, {after:0} MiB with {watchers:#,0} watchers");
        var figure = Figure.Of("idle.kib_per_watcher", "KiB", [(after - before) * 1024 / watchers]);
        run.HasFailed |= figure.Value > MostKiB;
        return [figure];
    }
}

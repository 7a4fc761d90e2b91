using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Benches;

/// <summary>How soon an agent has ended after a stop request over HTTP, through Kafka and the worker.</summary>
internal sealed class StopBench : Benchmark
{
    private const int WarmUp = 10;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public override string Name => "stop";

    public override string Summary => "from POST /tasks/{id}/stop until the agent's process has ended";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--tasks", "N", "500", "stops of an agent that obeys SIGTERM"),
        new("--stubborn", "N", "20", "stops of an agent that ignores SIGTERM"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var tasks = run.Arguments.Number("--tasks", 1, 100_000);
        var stubborn = run.Arguments.Number("--stubborn", 1, 10_000);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "stop", run.Stop);
        await Task.WhenAll(pipeline.StartApiAsync(connections: 4), pipeline.StartWorkersAsync(1));
        await using var progress = new ProgressReader(pipeline.Cluster);
        await StopAsync(WarmUp, "sleep", new { seconds = 600 });

        var obedient = await StopAsync(tasks, "sleep", new { seconds = 600 });
        run.Say($"{tasks} that obey SIGTERM: p50 {Statistics.Median(obedient):0.0} ms, p99 {Statistics.Percentile(obedient, 0.99):0.0} ms");
        var beyond = (await StopAsync(stubborn, "stubborn", new { })).ConvertAll(time => time - PipelineUnderTest.StubbornGrace.TotalMilliseconds);
        run.Say($"{stubborn} that ignore SIGTERM: p50 {Statistics.Median(beyond):0.0} ms after their grace period");
        return
        [
            Over("stop.p50", obedient, Statistics.Percentile(obedient, 0.5)),
            Over("stop.p99", obedient, Statistics.Percentile(obedient, 0.99)),
            Over("stop.beyond_grace.p50", beyond, Statistics.Percentile(beyond, 0.5)),
            Over("stop.beyond_grace.max", beyond, beyond.Max()),
        ];

        async Task<List<double>> StopAsync(int count, string type, object parameters)
        {
            var times = new List<double>();
            while (times.Count < count)
            {
                var task = await pipeline.SubmitAsync(new { type, @params = parameters });
                var pid = ((AttemptRunning)(await progress.WaitForAsync<AttemptRunning>(task.TaskId, Limit, run.Stop)).Record).Pid;
                if (type == "stubborn")
                    await progress.WaitForAsync<OutputLines>(task.TaskId, Limit, run.Stop);   // from here on it ignores the signal
                var since = Stopwatch.GetTimestamp();
                await pipeline.RequestStopAsync(task.TaskId);
                while (Directory.Exists($"/proc/{pid}"))
                    if (Stopwatch.GetElapsedTime(since) > Limit)
                        throw new BenchException($"task {task.TaskId} has not stopped after {Limit.TotalSeconds} s");
                    else
                        await Task.Delay(1, run.Stop);
                times.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
                await pipeline.State.EndedAsync(task.TaskId, run.Stop);
            }
            return times;
        }
    }

    private static Figure Over(string metric, List<double> samples, double value) => new(metric, value, "ms", samples.Min(), samples.Max());
}

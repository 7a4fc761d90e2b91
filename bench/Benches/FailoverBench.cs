using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Benches;

/// <summary>How long a running task is interrupted if its worker is killed or shut down.</summary>
internal sealed class FailoverBench : Benchmark
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public override string Name => "failover";

    public override string Summary => "time until a task runs again after its worker was killed or shut down";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--times", "N", "20", "workers that are killed with SIGKILL while they run a task"),
        new("--shutdowns", "N", "10", "workers that are shut down with SIGTERM while they run a task, and do not wait for it"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var times = run.Arguments.Number("--times", 1, 10_000);
        var shutdowns = run.Arguments.Number("--shutdowns", 1, 10_000);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "failover", run.Stop);
        await Task.WhenAll(pipeline.StartApiAsync(connections: 4), pipeline.StartWorkersAsync(2));
        await using var progress = new ProgressReader(pipeline.Cluster);

        var killed = new List<double>();
        while (killed.Count < times)
        {
            var (taskId, worker) = await RunningAsync();
            var since = Stopwatch.GetTimestamp();
            pipeline.Kill(worker);
            killed.Add(Stopwatch.GetElapsedTime(since, (await AgainAsync(taskId)).Seen).TotalMilliseconds);
            run.Say($"killed, {killed.Count} of {times}: it runs again after {killed[^1]:0} ms");
            await pipeline.StopAsync(taskId);
            await pipeline.RestartAsync(worker);
        }
        var shutDown = new List<double>();
        while (shutDown.Count < shutdowns)
        {
            var (taskId, worker) = await RunningAsync();
            pipeline.Terminate(worker);
            var abandoned = await progress.WaitForAsync<AttemptAbandoned>(taskId, Limit, run.Stop);
            shutDown.Add(Stopwatch.GetElapsedTime(abandoned.Seen, (await AgainAsync(taskId)).Seen).TotalMilliseconds);
            run.Say($"shut down, {shutDown.Count} of {shutdowns}: it runs again {shutDown[^1]:0} ms after it was given back");
            await pipeline.StopAsync(taskId);
            await pipeline.RestartAsync(worker);
        }

        const string Session = "the session timeout of the workers' group, after which a silent member counts as dead, ms";
        double[] session = [broker.SessionTimeout.TotalMilliseconds];
        return
        [
            Over("failover.after_kill_ms.p50", killed, Statistics.Percentile(killed, 0.5), session, Session),
            Over("failover.after_kill_ms.max", killed, killed.Max(), session, Session),
            Over("failover.after_shutdown_ms.p50", shutDown, Statistics.Percentile(shutDown, 0.5)),
            Over("failover.after_shutdown_ms.max", shutDown, shutDown.Max()),
        ];

        // Submits a task and waits until it runs; returns the task and its worker.
        async Task<(string TaskId, ProgramProcess Worker)> RunningAsync()
        {
            var task = await pipeline.SubmitAsync(new { type = "sleep", @params = new { seconds = 600 } });
            await progress.WaitForAsync<AttemptRunning>(task.TaskId, Limit, run.Stop);
            var starting = (AttemptStarting)(await progress.WaitForAsync<AttemptStarting>(task.TaskId, Limit, run.Stop)).Record;
            return (task.TaskId, pipeline.Workers.Single(worker => worker.Name == starting.Worker));
        }

        Task<SeenRecord> AgainAsync(string taskId) => progress.WaitForAsync<AttemptStarting>(taskId, Limit, run.Stop, attempt: 2);
    }

    private static Figure Over(string metric, List<double> samples, double value) => new(metric, value, "ms", samples.Min(), samples.Max());

    private static Figure Over(string metric, List<double> samples, double value, IReadOnlyCollection<double> baseline, string floor) =>
        Figure.Of(metric, "ms", [value], baseline, floor) with { Least = samples.Min(), Most = samples.Max() };
}

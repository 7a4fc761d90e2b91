using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Benches;

/// <summary>What short tasks lose to a long one: with one of two workers busy, they must be as fast as with the other worker alone.</summary>
internal sealed class QueueBench : Benchmark
{
    private const int Lanes = 8;
    private const double ShortSeconds = 0.1;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public override string Name => "queue";

    public override string Summary => "short tasks during a long one, with one of two workers free, compared with one worker alone";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "2", "how often one worker alone, and two workers with one busy, take turns"),
        new("--tasks", "N", "200", "short tasks of 0.1 s in each turn"),
        new("--long-seconds", "N", "60", "duration of the long task; 5 short tasks per second arrive during it, except in its last 2 s"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var tasks = run.Arguments.Number("--tasks", 1, 100_000);
        var seconds = run.Arguments.Number("--long-seconds", 3, 86_400);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var alone = await PipelineUnderTest.StartAsync(broker, "queue-1", run.Stop, Lanes);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "queue-2", run.Stop, Lanes);
        await Task.WhenAll(alone.StartApiAsync(connections: 16), alone.StartWorkersAsync(1), pipeline.StartApiAsync(connections: 16), pipeline.StartWorkersAsync(2));
        await using var progress = new ProgressReader(pipeline.Cluster);
        run.Say("warming up");
        await AllDoneAsync(alone, tasks / 10 + 1, run.Stop);
        await AllDoneAsync(pipeline, tasks / 10 + 1, run.Stop);

        var (one, two) = (new List<double>(), new List<double>());
        for (var round = 1; round <= rounds; round++)
        {
            one.Add(await AllDoneAsync(alone, tasks, run.Stop));
            var longTask = await LongAsync();
            two.Add(await AllDoneAsync(pipeline, tasks, run.Stop));
            await EndAsync(longTask);
            run.Say($"round {round}: {tasks} short tasks during a long one take {two[^1]:0.00} s; one worker alone {one[^1]:0.00} s");
        }
        var waits = await SteadyAsync();
        run.Say($"{1 / Beat.TotalSeconds:0} per second during a long one: {waits.Count} tasks wait {Statistics.Percentile(waits, 0.5):0} ms, {waits.Max():0} ms at most");
        return
        [
            Figure.Of("queue.short_done_s", "s", two, one, "the same short tasks on one worker alone, s"),
            Figure.Of("queue.later_s", "s", [.. two.Zip(one, (subject, floor) => subject - floor)]),
            new Figure("queue.wait_ms.p50", Statistics.Percentile(waits, 0.5), "ms", waits.Min(), waits.Max()),
            new Figure("queue.wait_ms.max", waits.Max(), "ms", waits.Min(), waits.Max()),
        ];

        async Task<string> LongAsync()
        {
            var task = await pipeline.SubmitAsync(new { type = "sleep", @params = new { seconds } });
            await progress.WaitForAsync<AttemptRunning>(task.TaskId, Limit, run.Stop);
            return task.TaskId;
        }

        async Task EndAsync(string longTask)
        {
            await pipeline.StopAsync(longTask);
            await pipeline.SharedOutAsync();   // its worker may have given lanes away
        }

        async Task<List<double>> SteadyAsync()
        {
            var longTask = await LongAsync();
            var waiting = new List<Task<double>>();
            using var timer = new PeriodicTimer(Beat);
            for (var left = (seconds - 2) / Beat.TotalSeconds; left >= 1; left--)
            {
                await timer.WaitForNextTickAsync(run.Stop);
                waiting.Add(WaitAsync());
            }
            List<double> waits = [.. await Task.WhenAll(waiting)];
            await EndAsync(longTask);
            return waits;
        }

        // From the API's answer to the worker's `starting`, in milliseconds.
        async Task<double> WaitAsync()
        {
            var task = await pipeline.SubmitAsync(Short);
            var accepted = Stopwatch.GetTimestamp();
            var starting = await progress.WaitForAsync<AttemptStarting>(task.TaskId, Limit, run.Stop);
            return Math.Max(0, Stopwatch.GetElapsedTime(accepted, starting.Seen).TotalMilliseconds);
        }
    }

    private static object Short { get; } = new { type = "sleep", @params = new { seconds = ShortSeconds } };

    /// <summary>Submits this many short tasks at once through the API, and returns after how many seconds the last of them has ended.</summary>
    private static async Task<double> AllDoneAsync(PipelineUnderTest pipeline, int count, CancellationToken stop)
    {
        var before = pipeline.State.Count;
        var since = DateTimeOffset.UtcNow;
        await Task.WhenAll(Enumerable.Range(0, count).Select(_ => pipeline.SubmitAsync(Short)));
        return ((await pipeline.State.NextAsync(before, count, stop))[^1].ReadAt - since).TotalSeconds;
    }
}

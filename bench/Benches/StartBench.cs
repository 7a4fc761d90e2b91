using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Benches;

/// <summary>How soon a task begins on an idle worker: from the submission to the agent's first line, as a consumer of the log receives it.</summary>
internal sealed class StartBench : Benchmark
{
    private const int WarmUp = 200;   // until the just-in-time compilers of all processes are done
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public override string Name => "start";

    public override string Summary => "from the submission of a task to its first line, on an idle worker and right after a long task";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "5", "number of rounds"),
        new("--tasks", "N", "200", "tasks in each round, one every 100 ms at most"),
        new("--long", "N", "10", "tasks that are submitted just after a long one has ended"),
        new("--long-seconds", "N", "5", "duration of the long tasks"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var tasks = run.Arguments.Number("--tasks", 1, 100_000);
        var afterLong = run.Arguments.Number("--long", 1, 1000);
        var seconds = run.Arguments.Number("--long-seconds", 1, 3600);
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "start", run.Stop);
        await Task.WhenAll(pipeline.StartApiAsync(connections: 4), pipeline.StartWorkersAsync(1));
        await using var raw = new RawPair(await broker.NewTopicsAsync("start-raw", PipelineUnderTest.Lanes, run.Stop), run.Stop);
        await using var progress = new ProgressReader(pipeline.Cluster);
        await BeatAsync(WarmUp);

        var (floor50, floor99, subject50, subject99, beyond) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var round = 1; round <= rounds; round++)
        {
            var (starts, records) = await BeatAsync(tasks);
            var first = starts.Select(start => start.Total).ToList();
            floor50.Add(Statistics.Percentile(records, 0.5));
            floor99.Add(Statistics.Percentile(records, 0.99));
            subject50.Add(Statistics.Percentile(first, 0.5));
            subject99.Add(Statistics.Percentile(first, 0.99));
            beyond.Add(subject50[^1] - floor50[^1]);
            run.Say($"round {round}: first line p50 {subject50[^1]:0.0} ms ({Parts(starts)}), p99 {subject99[^1]:0.0} ms; raw pair {floor50[^1]:0.0} and {floor99[^1]:0.0} ms");
        }
        var late = new List<TaskStart>();
        for (var left = afterLong; left > 0; left--)
        {
            var task = await pipeline.SubmitAsync(new { type = "sleep", @params = new { seconds } });
            await pipeline.State.EndedAsync(task.TaskId, run.Stop);
            late.Add(await StartAsync());
        }
        run.Say($"after {seconds} s: first line p50 {Statistics.Median([.. late.Select(start => start.Total)]):0.0} ms ({Parts(late)})");

        const string Pair = "a raw produce → consume pair with the pipeline's client settings, halfway between the tasks, ms";
        return
        [
            Figure.Of("start.first_line_ms.p50", "ms", subject50, floor50, Pair),
            Figure.Of("start.first_line_ms.p99", "ms", subject99, floor99, Pair),
            Figure.Of("start.beyond_floor_ms.p50", "ms", beyond),
            Figure.Of("start.after_long_ms.p50", "ms", [Statistics.Percentile([.. late.Select(start => start.Total)], 0.5)], floor50, Pair) with { Least = late.Min(start => start.Total), Most = late.Max(start => start.Total) },
        ];

        // In turn, so that both have the same noise of the machine but do not disturb each other.
        async Task<(List<TaskStart> Starts, List<double> Records)> BeatAsync(int count)
        {
            var (starts, records) = (new List<TaskStart>(), new List<double>());
            using var timer = new PeriodicTimer(Beat / 2);
            while (records.Count < count)
            {
                await timer.WaitForNextTickAsync(run.Stop);
                starts.Add(await StartAsync());
                await timer.WaitForNextTickAsync(run.Stop);
                records.Add(await raw.OnceAsync());
            }
            return (starts, records);
        }

        async Task<TaskStart> StartAsync()
        {
            var (at, submitted) = (DateTimeOffset.UtcNow, Stopwatch.GetTimestamp());
            var task = await pipeline.SubmitAsync(new { type = "line" });
            var accepted = Stopwatch.GetElapsedTime(submitted).TotalMilliseconds;
            var line = await progress.WaitForAsync<OutputLines>(task.TaskId, Limit, run.Stop);
            await pipeline.State.EndedAsync(task.TaskId, run.Stop);   // the worker is idle again
            var starting = await progress.WaitForAsync<AttemptStarting>(task.TaskId, Limit, run.Stop);
            var running = await progress.WaitForAsync<AttemptRunning>(task.TaskId, Limit, run.Stop);
            return new TaskStart(
                Stopwatch.GetElapsedTime(submitted, line.Seen).TotalMilliseconds,
                accepted,
                (starting.Record.At - at).TotalMilliseconds,
                (running.Record.At - at).TotalMilliseconds,
                (line.Record.At - at).TotalMilliseconds);
        }
    }

    private static string Parts(List<TaskStart> starts)
    {
        return $"accepted after {Of(start => start.Accepted)}, starting after {Of(start => start.Starting)}, spawned after {Of(start => start.Spawned)}, line read after {Of(start => start.LineRead)}";

        string Of(Func<TaskStart, double> part) => Statistics.Median([.. starts.Select(part)]).ToString("0.0");
    }

    /// <summary>One task: milliseconds from its submission.</summary>
    /// <param name="Total">Until a consumer received its first line.</param>
    /// <param name="Starting">Until its worker wrote that it starts.</param>
    /// <param name="LineRead">Until its worker read the line.</param>
    private sealed record TaskStart(double Total, double Accepted, double Starting, double Spawned, double LineRead);
}

using System.Collections.Concurrent;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Bench.Benches;

/// <summary>Watchers, API replicas and time: a watcher that reconnects must not miss anything, whatever was killed meanwhile.</summary>
internal sealed class SoakBench : Benchmark
{
    private const int Replicas = 2;
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan ShortestLife = TimeSpan.FromSeconds(15);   // of a replica, from when it is ready

    public override string Name => "soak";

    public override string Summary => "watchers over all transports come and go while replicas are killed; nothing may be missed";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--tasks", "N", "50", "tasks that print all the time, each in its own lane"),
        new("--watchers", "N", "500", "watchers over WebSocket, server-sent events and SignalR, in turn"),
        new("--rate", "N", "40", "lines per second of each task"),
        new("--seconds", "N", "480", "duration of the lines"),
        new("--seed", "N", "", "repeats the same random choices; default: random"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var tasks = run.Arguments.Number("--tasks", 1, 200);
        var count = run.Arguments.Number("--watchers", 1, 5000);
        var rate = run.Arguments.Number("--rate", 1, 10_000);
        var seconds = run.Arguments.Number("--seconds", 1, 86_400);
        var seed = run.Arguments.Text("--seed") is { Length: > 0 } ? run.Arguments.Number("--seed", 0, int.MaxValue) : Random.Shared.Next();
        run.Say($"seed {seed}");
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "soak", run.Stop, lanes: tasks);
        var replicas = new ConcurrentDictionary<int, Uri>();
        for (var number = 0; number < Replicas; number++)
            await StartAsync(number);
        List<WrittenTask> printed = [];
        for (var lane = 0; lane < tasks; lane++)
            printed.Add(await WrittenTask.StartAsync(pipeline.Cluster, lane));
        await Task.WhenAll(printed.Select(KnownAsync));

        var places = printed.Select(_ => new ConcurrentQueue<(string, long)>()).ToList();
        var watchers = Enumerable.Range(0, count).Select(number => new SoakWatcher(printed[number % tasks].TaskId, places[number % tasks], replicas, new Random(seed + number))).ToList();
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(run.Stop);
        using var calm = CancellationTokenSource.CreateLinkedTokenSource(run.Stop);
        var watching = Task.WhenAll(watchers.Select(watcher => Task.Run(() => watcher.WatchAsync(TimeSpan.FromSeconds(Math.Min(seconds / 2, 120)), giveUp.Token))));
        var killing = KillInTurnAsync();
        await OwnThread.Run(() => PrintAll(printed, rate, seconds, run.Stop));
        await calm.CancelAsync();
        var kills = await killing;
        foreach (var task in printed)
            await task.EndAsync();
        giveUp.CancelAfter(MaxWait);
        await watching;

        var wrong = watchers.Index().Where(watcher => watcher.Item.Violation is not null).ToList();
        foreach (var (number, watcher) in wrong.Take(10))
            run.Say($"watcher {number} {watcher.Violation}");
        foreach (var used in (IEnumerable<IDisposable>)[.. printed, .. watchers])
            used.Dispose();
        run.HasFailed |= wrong.Count > 0;
        return
        [
            Figure.Of("soak.watchers", "watchers", [watchers.Count]),
            Figure.Of("soak.connections", "connections", [watchers.Sum(watcher => watcher.Connections)]),
            Figure.Of("soak.lines", "lines", [watchers.Sum(watcher => watcher.Lines)]),
            Figure.Of("soak.kills", "replicas", [kills]),
            Figure.Of("soak.wrong", "watchers", [wrong.Count]),
        ];

        async Task StartAsync(int number)
        {
            await pipeline.StartApiAsync(connections: 4);
            replicas[number] = pipeline.Http.BaseAddress!;
        }

        async Task KnownAsync(WrittenTask task)
        {
            while (!(await pipeline.Http.GetAsync($"/tasks/{task.TaskId}", run.Stop)).IsSuccessStatusCode)
                await Task.Delay(TimeSpan.FromMilliseconds(50), run.Stop);
        }

        async Task<int> KillInTurnAsync()
        {
            var dying = new Random(seed);
            var current = pipeline.Apis.ToList();
            for (var kills = 0; ; kills++)
            {
                await Task.Delay(ShortestLife * (1 + dying.NextDouble()), calm.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (calm.IsCancellationRequested)
                    return kills;
                var number = kills % Replicas;
                pipeline.Kill(current[number]);
                await StartAsync(number);
                current[number] = pipeline.Apis[^1];
                run.Say($"replica {number + 1} was killed, and its successor is ready; {watchers.Sum(watcher => watcher.Lines):#,0} lines so far, {watchers.Count(watcher => watcher.Violation is not null)} watchers wrong");
            }
        }
    }

    private static void PrintAll(List<WrittenTask> tasks, int rate, int seconds, CancellationToken stop)
    {
        var pace = new Pace(TimeSpan.FromSeconds(1.0 / rate));
        for (var line = 1L; line <= (long)rate * seconds; line++)
        {
            pace.Wait();
            stop.ThrowIfCancellationRequested();
            foreach (var task in tasks)
                task.Print($"line {line} of {task.TaskId} {new string('.', (int)(line % 80))}");
        }
    }
}

using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;

namespace TaskPipeline.Bench.Benches;

/// <summary>One task with very many watchers, next to nginx with nchan, which does nothing else.</summary>
internal sealed class FanoutBench : Benchmark
{
    private static readonly TimeSpan FloorsPatience = TimeSpan.FromSeconds(30);   // behind the last line that is printed; what does not come by then was lost
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);          // nothing may be lost, so what is behind is waited for

    public override string Name => "fanout";

    public override string Summary => "one task's lines to a thousand watchers, next to nginx with nchan";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--watchers", "N", "1000", "WebSockets on the one task"),
        new("--rate", "N", "200", "lines per second"),
        new("--seconds", "N", "60", "of lines in each turn"),
        new("--floor", "yes|no", "yes", "whether nginx with nchan takes its turn"),
        new("--stalled", "N", "0", "watchers besides that never read"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var watchers = run.Arguments.Number("--watchers", 1, 20_000);
        var rate = run.Arguments.Number("--rate", 1, 100_000);
        var lines = rate * run.Arguments.Number("--seconds", 1, 3600);
        var stalled = run.Arguments.Number("--stalled", 0, 1000);
        await using var broker = await BenchBroker.StartAsync(run);
        var isFloorWanted = run.Arguments.Text("--floor") != "no";
        var floor = NchanServer.IsHere && isFloorWanted ? await NchanAsync(run, watchers, rate, lines, stalled) : null;
        if (!NchanServer.IsHere && isFloorWanted)
            run.Say("nginx with nchan is not installed here (Debian: nginx, libnginx-mod-nchan): no floor");
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "fanout", run.Stop);
        await pipeline.StartApiAsync(connections: 4);
        using (var warmUp = await WrittenTask.StartAsync(pipeline.Cluster, 1))
            await TurnAsync(pipeline.Http.BaseAddress!.Port, warmUp.Watch, watchers, rate, rate * 5, 0, (_, text) => warmUp.Print(text), () => 0, Patience, run.Stop);
        using var task = await WrittenTask.StartAsync(pipeline.Cluster, 0);
        var api = pipeline.Apis[0];
        var subject = await TurnAsync(pipeline.Http.BaseAddress!.Port, task.Watch, watchers, rate, lines, stalled, (_, text) => task.Print(text), () => api.CpuSeconds, Patience, run.Stop);
        run.Say($"TaskApi: {subject}; {api.ResidentMiB:0} MiB");
        run.HasFailed |= subject.Incomplete > 0 || (floor is not null && (subject.PerSecond < floor.PerSecond || subject.PerCpuSecond < floor.PerCpuSecond));
        return
        [
            Beside("fanout.lines_per_second", "lines/s", turn => turn.PerSecond),
            Beside("fanout.lines_per_cpu_second", "lines/s", turn => turn.PerCpuSecond),
            Beside("fanout.p50_ms", "ms", turn => turn.P50),
            Beside("fanout.p99_ms", "ms", turn => turn.P99),
            Beside("fanout.incomplete", "watchers", turn => turn.Incomplete),
        ];

        Figure Beside(string metric, string unit, Func<Turn, double> of) =>
            floor is null ? Figure.Of(metric, unit, [of(subject)]) : Figure.Of(metric, unit, [of(subject)], [of(floor)], "nginx with nchan, the same lines as messages to as many WebSockets");
    }

    private static async Task<Turn> NchanAsync(BenchRun run, int watchers, int rate, int lines, int stalled)
    {
        await using var nchan = await NchanServer.StartAsync(run.Stop);
        var floor = await TurnAsync(nchan.Port, NchanServer.WatchPath, watchers, rate, lines, stalled,
            (seq, text) => nchan.Publish($$"""{"seq":{{seq}},"stream":"stdout","text":"{{text}}"}"""), () => nchan.CpuSeconds, FloorsPatience, run.Stop);
        run.Say($"nchan: {floor}");
        return floor;
    }

    private static async Task<Turn> TurnAsync(int port, string path, int watchers, int rate, int lines, int stalled, Action<int, string> print, Func<double> cpu, TimeSpan patience, CancellationToken stop)
    {
        await using var load = await WatcherLoad.StartAsync(port, path, watchers, lines, stalled: stalled);
        var cpuBefore = cpu();
        var since = Stopwatch.GetTimestamp();
        await Task.Factory.StartNew(() => PrintAll(rate, lines, print, stop), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var seen = await WatcherLoad.ResultAsync(load, patience);
        var seconds = Stopwatch.GetElapsedTime(since, seen.LastAt).TotalSeconds;
        return new Turn(seen.Lines / seconds, seen.Lines / (cpu() - cpuBefore), seen.P50, seen.P99, seen.Incomplete, seen.FirstIncomplete);
    }

    private static void PrintAll(int rate, int lines, Action<int, string> print, CancellationToken stop)
    {
        var pace = new Pace(TimeSpan.FromSeconds(1.0 / rate));
        var filler = new string('.', 80);
        for (var line = 1; line <= lines; line++)
        {
            pace.Wait();
            stop.ThrowIfCancellationRequested();
            print(line, $"{Stopwatch.GetTimestamp()} {filler}");
        }
    }

    private sealed record Turn(double PerSecond, double PerCpuSecond, double P50, double P99, int Incomplete, string FirstIncomplete)
    {
        public override string ToString() => $"{PerSecond:#,0} lines/s, {PerCpuSecond:#,0} per second of a processor, p50 {P50:0.0} ms, p99 {P99:0.0} ms, {Incomplete} watchers not complete{(Incomplete > 0 ? $", the first with {FirstIncomplete}" : "")}";
    }
}

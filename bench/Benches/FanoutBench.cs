using System.Diagnostics;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Bench.Benches;

/// <summary>
/// One task with very many watchers, compared with nginx with nchan, which does nothing else. nchan is measured twice: it gets the lines directly, which is
/// the least that they can cost, and it gets them out of the same Kafka, as the pipeline's lines do.
/// </summary>
internal sealed class FanoutBench : Benchmark
{
    private const double MostTimesWithoutStalled = 1.1;
    private const double AsMany = 0.995;   // if both deliver everything, the latency of the last line makes a difference of a thousandth
    private const string Nchan = "nginx with nchan, the same lines as messages to as many WebSockets";
    private static readonly TimeSpan FloorsMaxWait = TimeSpan.FromSeconds(30);   // after the time of the lines; what has not arrived by then is lost
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(5);          // nothing may be lost, so it waits for late lines

    public override string Name => "fanout";

    public override string Summary => "one task's lines to a thousand watchers, compared with nginx with nchan";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--watchers", "N", "1000", "WebSockets on the one task"),
        new("--rate", "N", "200", "lines per second"),
        new("--seconds", "N", "60", "duration of the lines in each turn"),
        new("--stalled", "N", "0", "additional watchers that never read; the floor is then a turn without them"),
        new("--rounds", "N", "1", "how often floor and subject take turns"),
        new("--floor", "yes|no", "yes", "whether the floor takes its turn"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var watchers = run.Arguments.Number("--watchers", 1, 20_000);
        var rate = run.Arguments.Number("--rate", 1, 100_000);
        var lines = rate * run.Arguments.Number("--seconds", 1, 3600);
        var stalled = run.Arguments.Number("--stalled", 0, 1000);
        var rounds = run.Arguments.Number("--rounds", 1, (PipelineUnderTest.Lanes - 1) / 2);
        var isFloorWanted = run.Arguments.Text("--floor") != "no";
        await using var broker = await BenchBroker.StartAsync(run);
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "fanout", run.Stop);
        await pipeline.StartApiAsync(connections: 4);
        var api = pipeline.Apis[0];
        var lane = 0;   // each task is the first of its lane
        await SubjectAsync(20, 2000, 40_000, 0);   // warm-up: a JVM compiles methods after about ten thousand calls
        if (!NchanServer.IsHere && isFloorWanted && stalled == 0)
            run.Say("no floor, because nginx with nchan is not installed (Debian: nginx, libnginx-mod-nchan)");
        var (floor, behindKafka, subject) = (new List<Turn>(), new List<Turn>(), new List<Turn>());
        var consumed = new List<double>();   // p99 of a consumer alone
        for (var round = 1; round <= rounds; round++)
        {
            if (isFloorWanted && stalled > 0)
                floor.Add(await SubjectAsync(watchers, rate, lines, 0));
            else if (isFloorWanted && NchanServer.IsHere)
            {
                behindKafka.Add(await NchanBehindKafkaAsync());
                run.Say($"round {round}, nchan after Kafka: {behindKafka[^1]}; its consumer has a line within p99 {consumed[^1]:0.0} ms");
                floor.Add(await NchanAsync());
            }
            if (floor.Count > 0)
                run.Say($"round {round}, floor: {floor[^1]}");
            subject.Add(await SubjectAsync(watchers, rate, lines, stalled));
            run.Say($"round {round}, TaskApi: {subject[^1]}; {api.ResidentMiB:0} MiB");
        }
        List<Figure> figures =
        [
            Beside("fanout.lines_per_second", "lines/s", turn => turn.PerSecond),
            Beside("fanout.lines_per_cpu_second", "lines/s", turn => turn.PerCpuSecond),
            Beside("fanout.p50_ms", "ms", turn => turn.P50),
            Beside("fanout.p99_ms", "ms", turn => turn.P99),
            Beside("fanout.incomplete", "watchers", turn => turn.Incomplete),
        ];
        run.HasFailed |= subject.Any(turn => turn.Incomplete > 0)
            || (stalled == 0 ? figures[0].Ratio < AsMany || figures[1].Ratio < 1 : figures[3].Ratio > MostTimesWithoutStalled);
        if (behindKafka.Count == 0)
            return figures;
        var behind = Figure.Of("fanout.p99_behind_kafka_ms", "ms", [.. subject.Select(turn => turn.P99)], [.. behindKafka.Select(turn => turn.P99)], "nginx with nchan, to which a consumer of the same records publishes");
        run.HasFailed |= behind.Ratio > 1;
        return [.. figures, Figure.Of("fanout.consumer_p99_ms", "ms", consumed), behind];

        async Task<Turn> SubjectAsync(int audience, int speed, int count, int besides)
        {
            using var task = await WrittenTask.StartAsync(pipeline.Cluster, lane++);
            return await TurnAsync(pipeline.Http.BaseAddress!.Port, task.Watch, audience, speed, count, besides, (_, text) => task.Print(text), () => api.CpuSeconds, MaxWait, run.Stop);
        }

        async Task<Turn> NchanAsync()
        {
            await using var nchan = await NchanServer.StartAsync(run.Stop);
            return await NchanTurnAsync(nchan, (seq, text) => nchan.Publish(seq, text));
        }

        async Task<Turn> NchanBehindKafkaAsync()
        {
            using var task = await WrittenTask.StartAsync(pipeline.Cluster, lane++);
            await using var nchan = await NchanServer.StartAsync(run.Stop);
            var relay = new NchanRelay(pipeline.Cluster, task, nchan, Untimed(rate, lines), run.Stop);
            Turn turn;
            await using (relay)
                turn = await NchanTurnAsync(nchan, (_, text) => task.Print(text));
            consumed.Add(relay.P99);
            return turn;
        }

        Task<Turn> NchanTurnAsync(NchanServer nchan, Action<int, string> print) =>
            TurnAsync(nchan.Port, NchanServer.WatchPath, watchers, rate, lines, 0, print, () => nchan.CpuSeconds, FloorsMaxWait, run.Stop);

        Figure Beside(string metric, string unit, Func<Turn, double> of) => floor.Count == 0
            ? Figure.Of(metric, unit, [.. subject.Select(of)])
            : Figure.Of(metric, unit, [.. subject.Select(of)], [.. floor.Select(of)], stalled > 0 ? "the same without the watchers that never read" : Nchan);
    }

    private static async Task<Turn> TurnAsync(int port, string path, int watchers, int rate, int lines, int stalled, Action<int, string> print, Func<double> cpu, TimeSpan maxWait, CancellationToken stop)
    {
        await using var load = await WatcherLoad.StartAsync(port, path, watchers, lines, stalled: stalled, untimed: Untimed(rate, lines));
        var cpuBefore = cpu();
        var since = Stopwatch.GetTimestamp();
        await OwnThread.Run(() => PrintAll(rate, lines, print, maxWait, stop));
        var seen = await WatcherLoad.ResultAsync(load, maxWait);
        var seconds = Stopwatch.GetElapsedTime(since, seen.LastAt).TotalSeconds;
        return new Turn(seen.Lines / seconds, seen.Lines / (cpu() - cpuBefore), seen.P50, seen.P99, seen.Incomplete, seen.FirstIncomplete);
    }

    /// <summary>The lines of the first second, or of half the time if that is shorter.</summary>
    private static int Untimed(int rate, int lines) => Math.Min(rate, lines / 2);

    private static void PrintAll(int rate, int lines, Action<int, string> print, TimeSpan maxWait, CancellationToken stop)
    {
        var filler = new string('.', 80);
        var (since, limit) = (Stopwatch.GetTimestamp(), TimeSpan.FromSeconds(lines / (double)rate) + maxWait);
        for (var line = 1; line <= lines && Stopwatch.GetElapsedTime(since) < limit; line++)
        {
            // If it is late it catches up, because here the rate counts.
            if (TimeSpan.FromSeconds(line / (double)rate) - Stopwatch.GetElapsedTime(since) is { Ticks: > 0 } early)
                Thread.Sleep(early);
            stop.ThrowIfCancellationRequested();
            print(line, $"{Stopwatch.GetTimestamp()} {filler}");
        }
    }

    private sealed record Turn(double PerSecond, double PerCpuSecond, double P50, double P99, int Incomplete, string FirstIncomplete)
    {
        public override string ToString() => $"{PerSecond:#,0} lines/s, {PerCpuSecond:#,0} per second of a processor, p50 {P50:0.0} ms, p99 {P99:0.0} ms, {Incomplete} watchers incomplete{(Incomplete > 0 ? $", the first with {FirstIncomplete}" : "")}";
    }
}

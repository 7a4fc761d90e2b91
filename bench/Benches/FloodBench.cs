using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Benches;

/// <summary>An agent that prints very much: how fast its lines get into Kafka, that none is missing, and how much memory that needs.</summary>
internal sealed class FloodBench : Benchmark
{
    private const double LeastRatio = 0.5;
    private const double MostMiB = 150;
    private const int WarmUpLines = 200_000;
    private const int LongLineBytes = 300_000_000;
    private static readonly TimeSpan MostTime = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    public override string Name => "flood";

    public override string Summary => "a million lines from one agent, compared with a raw producer; the worker's memory, also for one endless line";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "3", "how often floor and worker take turns"),
        new("--lines", "N", "1000000", "lines in each turn"),
        new("--length", "N", "100", "bytes of a line"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var lines = run.Arguments.Number("--lines", 1000, 9_000_000);
        var length = run.Arguments.Number("--length", 20, 10_000);
        await using var broker = await BenchBroker.StartAsync(run);
        var raw = await broker.NewTopicsAsync("flood-raw", 1, run.Stop);
        var (baseline, subject) = (new List<double>(), new List<double>());
        double peak;
        await using (var pipeline = await PipelineUnderTest.StartAsync(broker, "flood", run.Stop))
        {
            await pipeline.StartWorkersAsync(1);
            using var reader = new FloodReader(pipeline.Cluster);
            run.Say("warming up");
            await RawFlood.RunAsync(raw, WarmUpLines, length);
            await FloodAsync(pipeline, reader, WarmUpLines, length, run.Stop);
            for (var round = 1; round <= rounds; round++)
            {
                baseline.Add(await RawFlood.RunAsync(raw, lines, length));
                subject.Add(await FloodAsync(pipeline, reader, lines, length, run.Stop));
                run.Say($"round {round}: {subject[^1]:#,0} lines/s; raw producer {baseline[^1]:#,0}/s; the worker's peak {pipeline.Workers[0].PeakMiB:0} MiB");
            }
            peak = pipeline.Workers[0].PeakMiB;
        }
        var rate = Figure.Of("flood.lines_per_second", "lines/s", subject, baseline, "the same agent into a producer with the worker's settings, each line a record, lines/s");
        var longLine = await LongLineAsync(run, broker);
        run.HasFailed |= rate.Ratio < LeastRatio || peak > MostMiB || longLine > MostMiB;
        return [rate, Figure.Of("flood.worker_peak_mib", "MiB", [peak]), Figure.Of("flood.long_line_peak_mib", "MiB", [longLine])];
    }

    /// <summary>Lines per second, from the attempt's first record to its outcome, both by the broker's clock.</summary>
    private static async Task<double> FloodAsync(PipelineUnderTest pipeline, FloodReader reader, int lines, int length, CancellationToken stop)
    {
        await RunAsync(pipeline, lines, length, stop);
        var count = 0;
        var begun = "";
        var (took, _) = reader.ReadAttempt((line, seq) =>
        {
            begun += line.Text;
            if (line.Last == false)
                return;   // a line in two parts, because the agent paused within it
            if (line.Seq != seq || begun != FloodAgent.LineOf(++count, length))
                throw new BenchException($"expected line {seq} with {FloodAgent.LineOf(count, length)}, got line {line.Seq} with {begun}");
            begun = "";
        });
        return count == lines ? lines / took.TotalSeconds : throw new BenchException($"only {count} of {lines} lines arrived");
    }

    private static async Task<double> LongLineAsync(BenchRun run, BenchBroker broker)
    {
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "flood-line", run.Stop);
        await pipeline.StartWorkersAsync(1);
        using var reader = new FloodReader(pipeline.Cluster);
        await RunAsync(pipeline, 1, LongLineBytes, run.Stop);
        var (characters, cut) = (0L, 0L);
        var (_, parts) = reader.ReadAttempt((line, _) => (characters, cut) = (characters + (line.Cut is null ? line.Text.Length : 0), cut + (line.Cut ?? 0)));
        if (characters + cut != LongLineBytes - 1)
            throw new BenchException($"a line of {LongLineBytes} bytes arrived with {characters} characters, and {cut} bytes reported as left out");
        var peak = pipeline.Workers[0].PeakMiB;
        run.Say($"a line of {LongLineBytes / 1_000_000} MB: {parts} parts; the worker's peak {peak:0} MiB");
        return peak;
    }

    private static async Task RunAsync(PipelineUnderTest pipeline, long lines, int length, CancellationToken stop)
    {
        var before = pipeline.State.Count;
        await pipeline.QueueFloodAsync(lines, length);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(MostTime);
        while (pipeline.State.Count == before)
        {
            pipeline.ThrowIfBroken();
            await Task.Delay(LookAgain, limit.Token);
        }
        pipeline.State.ThrowIfFailed();
    }

    /// <summary>Reads the attempts, each after it has ended, so that it does not compete with the worker for the processors.</summary>
    private sealed class FloodReader : IDisposable
    {
        private readonly IConsumer<byte[]?, byte[]?> _consumer;

        public FloodReader(KafkaCluster cluster)
        {
            _consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
            _consumer.Assign(new TopicPartitionOffset(cluster.Topics.Progress, PipelineUnderTest.FloodLane, Offset.Beginning));
        }

        public (TimeSpan Took, long Lines) ReadAttempt(Action<OutputLine, long> check)
        {
            DateTime began = default;
            var count = 0L;
            while (true)
            {
                var result = _consumer.Consume(MostTime) ?? throw new BenchException("the records of the attempt do not arrive");
                if (result.IsPartitionEOF || !TaskJson.TryDecodeProgress(result.Message.Value, out var record, out _))
                    continue;
                switch (record)
                {
                    case AttemptStarting:
                        began = result.Message.Timestamp.UtcDateTime;
                        break;
                    case OutputLines output:
                        foreach (var line in output.Lines)
                            check(line, ++count);
                        break;
                    case AttemptExited:
                        return (result.Message.Timestamp.UtcDateTime - began, count);
                }
            }
        }

        public void Dispose() => _consumer.Dispose();
    }
}

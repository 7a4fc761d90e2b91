using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Benches;

/// <summary>The whole pipeline with real processes: what each part of a task's way costs in addition to Kafka and the machine.</summary>
internal sealed class PipelineBench : Benchmark
{
    private const int Connections = 64;
    private static readonly TimeSpan LoadWarmUp = TimeSpan.FromSeconds(4);   // a broker's just-in-time compiler needs at least this time
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(3);
    private static readonly string[] Parts = ["memory", "submit", "noop"];

    public override string Name => "pipeline";

    public override string Summary => "submitted and no-op tasks through real processes, compared with raw Kafka clients; idle memory";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--rounds", "N", "3", "how often floor and subject take turns"),
        new("--seconds", "N", "5", "duration of the load in each turn of submit"),
        new("--tasks", "N", "300", "no-op tasks in each turn"),
        new("--workers", "LIST", "1,4", "how many workers run them"),
        new("--only", "LIST", string.Join(',', Parts), "the parts to run"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var rounds = run.Arguments.Number("--rounds", 1, 100);
        var duration = TimeSpan.FromSeconds(run.Arguments.Number("--seconds", 1, 600));
        var tasks = run.Arguments.Number("--tasks", 8, 100_000);
        var workers = run.Arguments.Numbers("--workers", 1, 16);
        var only = run.Arguments.Names("--only", Parts);
        await using var broker = await BenchBroker.StartAsync(run);
        List<Figure> figures = [];
        if (only.Contains("submit"))
            figures.AddRange(await SubmitAsync(run, broker, rounds, duration));
        if (only.Contains("noop"))
            figures.AddRange(await NoopAsync(run, broker, rounds, tasks, workers));
        if (only.Contains("memory"))
            figures.AddRange(await MemoryAsync(run, broker));
        return figures;
    }

    /// <summary>
    /// There are no workers, so the tasks only queue. The raw producer writes the records that the API writes, to topics with the same settings.
    /// </summary>
    private static async Task<IReadOnlyList<Figure>> SubmitAsync(BenchRun run, BenchBroker broker, int rounds, TimeSpan duration)
    {
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "submit", run.Stop);
        await pipeline.StartApiAsync(Connections);
        var raw = await broker.NewTopicsAsync("submit-raw", PipelineUnderTest.Lanes, run.Stop);
        using var producer = raw.RequestProducer(TimeSpan.FromSeconds(5));
        var next = 0;

        Func<Task> produce = async () =>
        {
            var task = new TaskSubmission { TaskId = TaskIds.New(), Type = "noop", SubmittedAt = DateTimeOffset.UtcNow, TypeHash = $"sha256:{new string('0', 64)}" };
            var lane = Interlocked.Increment(ref next) % PipelineUnderTest.Lanes;
            await producer.ProduceAsync(
                new TopicPartition(raw.Topics.Tasks, lane), new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(task.TaskId), Value = TaskJson.Encode(task) });
        };
        Func<Task> ask = () => ExpectAsync(pipeline.Http.GetAsync("/healthz"), HttpStatusCode.OK);
        Func<Task> submit = () =>
        {
            var body = new ByteArrayContent("""{"type":"noop","params":{}}"""u8.ToArray()) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            return ExpectAsync(pipeline.Http.PostAsync("/tasks", body), HttpStatusCode.Accepted);
        };

        run.Say("submit: warming up");
        foreach (var call in (Func<Task>[])[produce, ask, submit])
            await Load.PerSecondAsync(Connections, LoadWarmUp, call, run.Stop);
        var (floor, http, subject) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 1; round <= rounds; round++)
        {
            floor.Add(await Load.PerSecondAsync(Connections, duration, produce, run.Stop));
            http.Add(await Load.PerSecondAsync(Connections, duration, ask, run.Stop));
            subject.Add(await Load.PerSecondAsync(Connections, duration, submit, run.Stop));
            run.Say($"submit, round {round}: {subject[^1]:0} requests/s; raw producer {floor[^1]:0}/s, HTTP alone {http[^1]:0}/s");
        }
        pipeline.ThrowIfBroken();
        return
        [
            Figure.Of("submit.requests_per_second", "requests/s", subject, floor, $"a raw producer, acks=all, idempotent, linger 0, the same records with {Connections} in flight, records/s"),
            Figure.Of("healthz.requests_per_second", "requests/s", http),
        ];
    }

    private static async Task ExpectAsync(Task<HttpResponseMessage> request, HttpStatusCode expected)
    {
        using var answer = await request;
        if (answer.StatusCode != expected)
            throw new BenchException($"the API answers {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
    }

    /// <summary>
    /// The workers have joined and are warm, and the tasks of a turn are queued at once. So the figure contains neither a rebalance nor the
    /// submission.
    /// </summary>
    private static async Task<IReadOnlyList<Figure>> NoopAsync(BenchRun run, BenchBroker broker, int rounds, int tasks, IReadOnlyList<int> numbers)
    {
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "noop", run.Stop);
        var figures = new List<Figure>();
        foreach (var workers in numbers)   // sorted: workers are only added
        {
            await using var floor = await NoopFloor.StartAsync(broker, $"noop-raw-{workers}", workers, run.Stop);
            run.Say($"noop: starting workers, up to {workers}");
            await pipeline.StartWorkersAsync(workers);
            run.Say("noop: warming up");
            await floor.RunAsync(tasks, run.Stop);
            await RunAsync(tasks);
            var (baseline, subject) = (new List<double>(), new List<double>());
            for (var round = 1; round <= rounds; round++)
            {
                baseline.Add(await floor.RunAsync(tasks, run.Stop));
                subject.Add(await RunAsync(tasks));
                run.Say($"noop, workers: {workers}, round {round}: {subject[^1]:0.0} tasks/s; floor {baseline[^1]:0.0}/s");
            }
            figures.Add(Figure.Of($"noop.tasks_per_second.{workers}_worker{(workers == 1 ? "" : "s")}", "tasks/s", subject, baseline,
                $"as many loops, each in its own process, of `setsid true` and {(pipeline.Cluster.IsEmbedded ? "two acknowledged records" : "one transaction with two records")}, tasks/s"));
        }
        return figures;

        async Task<double> RunAsync(int count)
        {
            var before = pipeline.State.Count;
            await pipeline.QueueAsync("noop", count);
            return await pipeline.State.RateAsync(before, count, run.Stop);
        }
    }

    private static async Task<IReadOnlyList<Figure>> MemoryAsync(BenchRun run, BenchBroker broker)
    {
        await using var pipeline = await PipelineUnderTest.StartAsync(broker, "memory", run.Stop);
        await Task.WhenAll(pipeline.StartApiAsync(Connections), pipeline.StartWorkersAsync(1));
        run.Say("memory: waiting until the API and the worker are idle");
        await Task.Delay(Settled, run.Stop);
        pipeline.ThrowIfBroken();
        return
        [
            Figure.Of("api.rss_mib", "MiB", [pipeline.Apis[0].ResidentMiB]),
            Figure.Of("worker.rss_mib", "MiB", [pipeline.Workers[0].ResidentMiB]),
        ];
    }
}

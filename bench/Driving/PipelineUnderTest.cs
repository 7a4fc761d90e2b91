using System.Net;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using TaskPipeline.Bench.Floors;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>A pipeline with its own topics: the real TaskApi and TaskWorkers as processes, and what they need.</summary>
internal sealed class PipelineUnderTest : IAsyncDisposable
{
    public const int Lanes = 24;   // the product's default
    public const int FloodLane = 0;

    /// <summary>How long a task of the type <c>retried</c> waits for its second attempt, which succeeds.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(20);

    /// <summary>The time between SIGTERM, which a task of the type <c>stubborn</c> ignores, and SIGKILL.</summary>
    public static readonly TimeSpan StubbornGrace = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    private static readonly string Catalogue = $$"""
        types:
          noop: { executable: 'true' }
          line: { executable: echo, arguments: [a line] }
          retried: { executable: sh, arguments: ['-c', 'exit $((TASK_ATTEMPT < 2 ? 75 : 0))'], retry: { attempts: 2, backoff: { first: {{(int)RetryAfter.TotalSeconds}}s, factor: 1, max: {{(int)RetryAfter.TotalSeconds}}s, jitter: 0 } } }
          sleep: { executable: sleep, params: { seconds: { positional: true, type: number, required: true } } }
          stubborn: { executable: sh, arguments: ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'], grace: {{(int)StubbornGrace.TotalMilliseconds}}ms }
          lines: { executable: '{{BuildOutput.ProgramOf("Bench")}}', arguments: [{{LineAgent.Name}}], params: { interval: { positional: true, type: integer, required: true }, count: { positional: true, type: integer, required: true } } }
          flood: { executable: '{{BuildOutput.ProgramOf("Bench")}}', arguments: [{{FloodAgent.Name}}], params: { lines: { positional: true, type: integer, required: true }, length: { positional: true, type: integer, required: true } }, output_limit: { bytes: 1GiB } }
        """;

    private readonly BenchBroker _broker;
    private readonly ProjectConfigStub _projects;
    private readonly CancellationToken _stop;
    private readonly string _folder = Directory.CreateTempSubdirectory("taskpipeline-bench-").FullName;
    private readonly List<ProgramProcess> _apis = [];
    private readonly List<ProgramProcess> _workers = [];
    private readonly HashSet<ProgramProcess> _toldToEnd = [];

    private PipelineUnderTest(BenchBroker broker, KafkaCluster cluster, ProjectConfigStub projects, CancellationToken stop)
    {
        (_broker, Cluster, _projects, _stop) = (broker, cluster, projects, stop);
        State = new StateReader(cluster);
        File.WriteAllText(CatalogueFile, Catalogue);
    }

    /// <summary>The bench's own clients.</summary>
    public KafkaCluster Cluster { get; }

    public StateReader State { get; }

    /// <summary>An HTTP client of the API that was started last.</summary>
    public HttpClient Http { get; private set; } = null!;

    public IReadOnlyList<ProgramProcess> Apis => _apis;

    public IReadOnlyList<ProgramProcess> Workers => _workers;

    private string CatalogueFile => Path.Combine(Subfolder("config"), "task-types.yaml");

    public static async Task<PipelineUnderTest> StartAsync(BenchBroker broker, string name, CancellationToken stop, int lanes = Lanes) =>
        new(broker, await broker.NewTopicsAsync(name, lanes, stop), await ProjectConfigStub.StartAsync(), stop);

    /// <summary>Starts one more API, and returns when it is ready.</summary>
    public async Task StartApiAsync(int connections, params IReadOnlyList<KeyValuePair<string, string?>> more)
    {
        var address = $"http://127.0.0.1:{FreePort.Find()}";
        var api = ProgramProcess.Start("TaskApi", $"api-{_apis.Count + 1}", Subfolder("config"), Subfolder("logs"), [.. Settings("ASPNETCORE_URLS", address), .. more]);
        _apis.Add(api);
        Http?.Dispose();
        Http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseProxy = false }) { BaseAddress = new Uri(address) };
        await UntilAsync("the API is not ready", async () =>
        {
            api.ThrowIfEnded();
            try
            {
                using var answer = await Http.GetAsync("/readyz", _stop);
                return answer.StatusCode == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;   // it does not listen yet
            }
        });
    }

    /// <summary>Starts workers up to this number, and returns when all lanes are claimed and each worker has its share.</summary>
    public Task StartWorkersAsync(int total) => StartAsync(total, "TaskWorker");

    /// <summary>The same for <see cref="LoopFloor"/> processes in place of workers.</summary>
    public Task StartLoopsAsync(int total) => StartAsync(total, "Bench", LoopFloor.Name);

    /// <summary>Returns when all lanes are claimed and each worker has its share.</summary>
    public Task SharedOutAsync() => UntilAsync($"{_workers.Count} workers have not shared out the lanes", () =>
    {
        ThrowIfBroken();
        var owners = State.Owners;
        var shares = owners.Values.CountBy(worker => worker).ToList();
        return Task.FromResult(owners.Count == Cluster.Topics.Lanes && shares.Count == _workers.Count && shares.Max(share => share.Value) - shares.Min(share => share.Value) <= 1);
    });

    /// <summary>Sends SIGKILL to this program only.</summary>
    public void Kill(ProgramProcess program)
    {
        _toldToEnd.Add(program);
        program.Kill();
    }

    /// <summary>Sends SIGTERM, as a supervisor does.</summary>
    public void Terminate(ProgramProcess program)
    {
        _toldToEnd.Add(program);
        program.Terminate();
    }

    /// <summary>Restarts a worker that was shut down, and returns when each worker has its share of the lanes.</summary>
    public async Task RestartAsync(ProgramProcess worker)
    {
        var number = _workers.IndexOf(worker);
        await worker.ExitedAsync().WaitAsync(StartTimeout, _stop);
        await worker.DisposeAsync();
        _workers[number] = StartWorker(number, "TaskWorker");
        await SharedOutAsync();
    }

    /// <summary>Submits this many tasks without params directly to Kafka, lane by lane in turn.</summary>
    public async Task QueueAsync(string type, int count)
    {
        using var producer = Cluster.OrderedProducer();
        await Task.WhenAll(Enumerable.Range(0, count).Select(number => QueueAsync(producer, type, number)));
    }

    /// <summary>Submits a task that floods, directly to its lane.</summary>
    public async Task QueueFloodAsync(long lines, int length)
    {
        using var producer = Cluster.OrderedProducer();
        var task = new TaskSubmission
        {
            TaskId = TaskIds.New(),
            Type = "flood",
            SubmittedAt = DateTimeOffset.UtcNow,
            Params = new() { ["lines"] = JsonSerializer.SerializeToElement(lines), ["length"] = JsonSerializer.SerializeToElement(length) },
        };
        await producer.ProduceAsync(
            new TopicPartition(Cluster.Topics.Tasks, FloodLane), new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(task.TaskId), Value = TaskJson.Encode(task) }, _stop);
    }

    /// <summary>The same, at a steady beat.</summary>
    public async Task QueueAsync(string type, int count, TimeSpan beat)
    {
        using var producer = Cluster.OrderedProducer();
        using var timer = new PeriodicTimer(beat);
        for (var number = 0; number < count; number++)
        {
            await timer.WaitForNextTickAsync(_stop);
            await QueueAsync(producer, type, number);
        }
    }

    /// <summary>Submits a task through the API.</summary>
    public async Task<Submitted> SubmitAsync(object task)
    {
        var answer = await PostAsync("/tasks", JsonSerializer.Serialize(task));
        return new Submitted(answer.GetProperty("task_id").GetString()!, answer.GetProperty("links").GetProperty("watch").GetString()!);
    }

    /// <summary>Stops a task through the API, and returns when it has ended.</summary>
    public async Task StopAsync(string taskId)
    {
        await RequestStopAsync(taskId);
        await State.EndedAsync(taskId, _stop);
    }

    public Task RequestStopAsync(string taskId) => PostAsync($"/tasks/{taskId}/stop", "{}");

    public void ThrowIfBroken()
    {
        foreach (var program in (IEnumerable<ProgramProcess>)[.. _apis, .. _workers])
            if (!_toldToEnd.Contains(program))
                program.ThrowIfEnded();
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(((IEnumerable<ProgramProcess>)[.. _apis, .. _workers]).Select(process => process.DisposeAsync().AsTask()));
        Http?.Dispose();
        await State.DisposeAsync();
        await _projects.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync(int total, string program, params IReadOnlyList<string> arguments)
    {
        while (_workers.Count < total)
            _workers.Add(StartWorker(_workers.Count, program, arguments));
        await SharedOutAsync();
    }

    private ProgramProcess StartWorker(int number, string program, params IReadOnlyList<string> arguments)
    {
        var id = $"worker-{number + 1}";
        var settings = Settings("Worker__Id", id);
        settings["Worker__ProjectConfigUrl"] = _projects.Url;
        settings["Worker__DataDirectory"] = Subfolder("data");
        settings["Artifacts__Directory"] = Subfolder("artifacts");
        settings["Worker__DrainTimeout"] = "00:00:01";
        return ProgramProcess.Start(program, id, Subfolder("config"), Subfolder("logs"), settings, arguments);
    }

    private async Task QueueAsync(IProducer<byte[]?, byte[]?> producer, string type, int number)
    {
        var task = new TaskSubmission { TaskId = TaskIds.New(), Type = type, SubmittedAt = DateTimeOffset.UtcNow };
        await producer.ProduceAsync(
            new TopicPartition(Cluster.Topics.Tasks, number % Cluster.Topics.Lanes),
            new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(task.TaskId), Value = TaskJson.Encode(task) },
            _stop);
    }

    private async Task<JsonElement> PostAsync(string path, string json)
    {
        using var answer = await Http.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), _stop);
        var body = await answer.Content.ReadAsStringAsync(_stop);
        return answer.StatusCode == HttpStatusCode.Accepted ? JsonElement.Parse(body) : throw new BenchException($"POST {path} answers {(int)answer.StatusCode}: {body}");
    }

    /// <summary>
    /// The programs watch their working folder with its subfolders, and the catalogue's folder, so files that change all the time are elsewhere.
    /// </summary>
    private string Subfolder(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    private Dictionary<string, string?> Settings(string key, string value)
    {
        var settings = _broker.SettingsFor(Cluster);
        settings["Catalogue__File"] = CatalogueFile;
        settings[key] = value;
        return settings;
    }

    private async Task UntilAsync(string otherwise, Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(StartTimeout);
        while (!await condition())
        {
            if (limit.IsCancellationRequested)
                throw new BenchException($"{otherwise} after {StartTimeout.TotalSeconds} s");
            await Task.Delay(LookAgain, _stop);
        }
    }
}

/// <param name="Watch">Path of its watch socket.</param>
internal sealed record Submitted(string TaskId, string Watch);

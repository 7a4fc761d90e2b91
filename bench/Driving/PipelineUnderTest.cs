using System.Net;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;

namespace TaskPipeline.Bench.Driving;

/// <summary>A pipeline with topics of its own: the real TaskApi and TaskWorkers as processes, and what they need.</summary>
internal sealed class PipelineUnderTest : IAsyncDisposable
{
    public const int Lanes = 24;   // the product's default
    public const int FloodLane = 0;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    private static readonly string Catalogue = $$"""
        types:
          noop: { executable: 'true' }
          lines: { executable: '{{BuildOutput.ProgramOf("Bench")}}', arguments: [{{LineAgent.Name}}], params: { interval: { positional: true, type: integer, required: true }, count: { positional: true, type: integer, required: true } } }
          flood: { executable: '{{BuildOutput.ProgramOf("Bench")}}', arguments: [{{FloodAgent.Name}}], params: { lines: { positional: true, type: integer, required: true }, length: { positional: true, type: integer, required: true } }, output_limit: { bytes: 1GiB } }
        """;

    private readonly BenchBroker _broker;
    private readonly ProjectConfigStub _projects;
    private readonly CancellationToken _stop;
    private readonly string _folder = Directory.CreateTempSubdirectory("taskpipeline-bench-").FullName;
    private readonly List<ProgramProcess> _workers = [];
    private ProgramProcess? _api;

    private PipelineUnderTest(BenchBroker broker, KafkaCluster cluster, ProjectConfigStub projects, CancellationToken stop)
    {
        (_broker, Cluster, _projects, _stop) = (broker, cluster, projects, stop);
        State = new StateReader(cluster);
        File.WriteAllText(CatalogueFile, Catalogue);
    }

    /// <summary>Of the bench's own clients.</summary>
    public KafkaCluster Cluster { get; }

    public StateReader State { get; }

    public HttpClient Http { get; private set; } = null!;

    public ProgramProcess Api => _api!;

    public IReadOnlyList<ProgramProcess> Workers => _workers;

    private string CatalogueFile => Path.Combine(Subfolder("config"), "task-types.yaml");

    public static async Task<PipelineUnderTest> StartAsync(BenchBroker broker, string name, CancellationToken stop) =>
        new(broker, await broker.NewTopicsAsync(name, Lanes, stop), await ProjectConfigStub.StartAsync(), stop);

    /// <summary>Comes back when the API is ready.</summary>
    public async Task StartApiAsync(int connections)
    {
        var address = $"http://127.0.0.1:{Ports.Free()}";
        _api = ProgramProcess.Start("TaskApi", "api", Subfolder("config"), Subfolder("logs"), Settings("ASPNETCORE_URLS", address));
        Http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseProxy = false }) { BaseAddress = new Uri(address) };
        await UntilAsync("the API is not ready", async () =>
        {
            _api.ThrowIfEnded();
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

    /// <summary>Starts workers until there are so many, and comes back when every lane is claimed and each of them has its share.</summary>
    public async Task StartWorkersAsync(int total)
    {
        while (_workers.Count < total)
        {
            var id = $"worker-{_workers.Count + 1}";
            var settings = Settings("Worker__Id", id);
            settings["Worker__ProjectConfigUrl"] = _projects.Url;
            settings["Worker__DataDirectory"] = Subfolder("data");
            settings["Worker__DrainTimeout"] = "00:00:01";
            _workers.Add(ProgramProcess.Start("TaskWorker", id, Subfolder("config"), Subfolder("logs"), settings));
        }
        await UntilAsync($"{total} workers have not shared out the lanes", () =>
        {
            ThrowIfBroken();
            var owners = State.Owners;
            var shares = owners.Values.CountBy(worker => worker).ToList();
            return Task.FromResult(owners.Count == Lanes && shares.Count == total && shares.Max(share => share.Value) - shares.Min(share => share.Value) <= 1);
        });
    }

    /// <summary>Submits so many tasks that do nothing, round the lanes, straight into Kafka.</summary>
    public async Task QueueNoopsAsync(int count)
    {
        using var producer = Cluster.OrderedProducer();
        await Task.WhenAll(Enumerable.Range(0, count).Select(number =>
        {
            var task = new TaskSubmission { TaskId = TaskIds.New(), Type = "noop", SubmittedAt = DateTimeOffset.UtcNow };
            return producer.ProduceAsync(
                new TopicPartition(Cluster.Topics.Tasks, number % Lanes),
                new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(task.TaskId), Value = TaskJson.Encode(task) },
                _stop);
        }));
    }

    /// <summary>Submits a task that floods, straight into its lane.</summary>
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

    /// <summary>Submits a task through the API, and answers the path of its watch socket.</summary>
    public async Task<string> SubmitAsync(object task)
    {
        using var answer = await Http.PostAsync("/tasks", new StringContent(JsonSerializer.Serialize(task), Encoding.UTF8, "application/json"), _stop);
        var body = await answer.Content.ReadAsStringAsync(_stop);
        if (answer.StatusCode != HttpStatusCode.Accepted)
            throw new BenchException($"POST /tasks answers {(int)answer.StatusCode}: {body}");
        return JsonElement.Parse(body).GetProperty("links").GetProperty("watch").GetString()!;
    }

    public void ThrowIfBroken()
    {
        _api?.ThrowIfEnded();
        foreach (var worker in _workers)
            worker.ThrowIfEnded();
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(((ProgramProcess?[])[_api, .. _workers]).OfType<ProgramProcess>().Select(process => process.DisposeAsync().AsTask()));
        Http?.Dispose();
        await State.DisposeAsync();
        await _projects.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The programs watch the folder they run in, with all below it, and that of the catalogue: what is written all the time lies elsewhere.</summary>
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

using System.Net;
using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Chaos;

/// <summary>The pipeline under attack: workers, and two API replicas behind proxies, all supervised.</summary>
internal sealed class ChaosPipeline : IAsyncDisposable
{
    public const int Replicas = 2;
    private const int Lanes = 24;
    private const int MostConnections = 200;   // from this process to one replica
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);

    private readonly BenchBroker _broker;
    private readonly ProjectConfigStub _projects;
    private readonly ChaosAgents _agents;
    private readonly string _folder;

    private ChaosPipeline(BenchBroker broker, KafkaCluster cluster, ProjectConfigStub projects, ChaosAgents agents, string folder) =>
        (_broker, Cluster, _projects, _agents, _folder) = (broker, cluster, projects, agents, folder);

    public KafkaCluster Cluster { get; }

    public List<Supervised> Workers { get; } = [];

    public List<Supervised> Apis { get; } = [];

    /// <summary>The proxies in front of the API replicas.</summary>
    public List<TcpProxy> Proxies { get; } = [];

    /// <summary>One HTTP client for each API replica.</summary>
    public List<HttpClient> Http { get; } = [];

    /// <summary>Returns when every API replica is ready and each lane is owned by a worker.</summary>
    public static async Task<ChaosPipeline> StartAsync(BenchBroker broker, ChaosAgents agents, string folder, int workers, int seed, CancellationToken stop)
    {
        var pipeline = new ChaosPipeline(broker, await broker.NewTopicsAsync("chaos", Lanes, stop), await ProjectConfigStub.StartAsync(), agents, folder);
        try
        {
            for (var number = 1; number <= Replicas; number++)
                pipeline.AddApi($"api-{number}", seed + number);
            for (var number = 1; number <= workers; number++)
                pipeline.AddWorker($"worker-{number}", seed + Replicas + number);
            await pipeline.UntilReadyAsync(stop);
            return pipeline;
        }
        catch
        {
            await pipeline.DisposeAsync();
            throw;
        }
    }

    public void ThrowIfBroken()
    {
        foreach (var program in (IEnumerable<Supervised>)[.. Apis, .. Workers])
            program.ThrowIfBroken();
    }

    /// <summary>Ends all its programs.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(((IEnumerable<Supervised>)[.. Apis, .. Workers]).Select(program => program.DisposeAsync().AsTask()));
        foreach (var http in Http)
            http.Dispose();
        foreach (var proxy in Proxies)
            await proxy.DisposeAsync();
        await _projects.DisposeAsync();
    }

    private void AddApi(string name, int seed)
    {
        var port = FreePort.Find();
        var settings = Settings();
        settings["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}";
        Apis.Add(new Supervised(times => Start("TaskApi", $"{name}.{times}", settings), seed));
        var proxy = TcpProxy.Start(port);
        Proxies.Add(proxy);
        Http.Add(new HttpClient(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = MostConnections }) { BaseAddress = new Uri($"http://127.0.0.1:{proxy.Port}"), Timeout = Timeout.InfiniteTimeSpan });
    }

    private void AddWorker(string name, int seed)
    {
        var settings = Settings();
        settings["Worker__Id"] = name;
        settings["Worker__ProjectConfigUrl"] = _projects.Url;
        settings["Worker__DataDirectory"] = Subfolder("data");
        settings["Artifacts__Directory"] = Subfolder("artifacts");
        settings["Worker__DrainTimeout"] = "00:00:02";
        Workers.Add(new Supervised(times => Start("TaskWorker", $"{name}.{times}", settings), seed));
    }

    private Dictionary<string, string?> Settings()
    {
        var settings = _broker.SettingsFor(Cluster);
        settings["Catalogue__File"] = _agents.CatalogueFile;
        settings[ChaosAgents.FolderVariable] = _folder;
        return settings;
    }

    private ProgramProcess Start(string project, string name, Dictionary<string, string?> settings) => ProgramProcess.Start(project, name, Subfolder("work"), Subfolder("logs"), settings);

    private string Subfolder(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    private async Task UntilReadyAsync(CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(StartTimeout);
        await using var state = new StateReader(Cluster);
        try
        {
            while (state.Owners.Count < Lanes || !(await Task.WhenAll(Http.Select(IsReadyAsync))).All(isReady => isReady))
            {
                ThrowIfBroken();
                await Task.Delay(TimeSpan.FromMilliseconds(100), limit.Token);
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new BenchException($"the pipeline was not ready after {StartTimeout.TotalSeconds} s; its logs are in {Subfolder("logs")}");
        }

        async Task<bool> IsReadyAsync(HttpClient http)
        {
            try
            {
                using var answer = await http.GetAsync("/readyz", limit.Token);
                return answer.StatusCode == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;   // it does not listen yet
            }
        }
    }
}

using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>One API and one scripted worker on a pipeline of their own.</summary>
public abstract class ApiTest(TestBroker broker) : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _replicas = [];

    private protected TestBroker Broker => broker;
    private protected string Prefix { get; private set; } = "";
    private protected ApiUnderTest Api { get; private set; } = null!;
    private protected KafkaCluster Cluster { get; private set; } = null!;
    private protected ScriptedWorker Worker { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        Prefix = await broker.NewPipelineAsync();
        Api = await ApiUnderTest.StartAsync(broker, Prefix);
        Cluster = await broker.ConnectAsync(Prefix);
        Worker = new ScriptedWorker(Cluster);
    }

    /// <summary>A further API on the same pipeline.</summary>
    private protected async Task<ApiUnderTest> ReplicaAsync(params IReadOnlyList<string> settings)
    {
        var replica = await ApiUnderTest.StartAsync(broker, Prefix, settings);
        _replicas.Add(replica);
        return replica;
    }

    public virtual async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        await Api.DisposeAsync();
        Worker.Dispose();
        GC.SuppressFinalize(this);
    }
}

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;
using Xunit;

namespace TaskPipeline.Testing;

/// <summary>
/// The broker that the tests of an assembly share: the one that KAFKA_BOOTSTRAP_SERVERS names, else one in a container
/// where Docker answers, else the embedded one. Every test makes a pipeline of its own in it.
/// </summary>
public sealed class TestBroker : IAsyncLifetime
{
    public const string NeedsEmbedded = "needs the embedded broker's fault injection";
    public const string NeedsKafka = "the embedded broker has no transactions, compaction or time index; set KAFKA_BOOTSTRAP_SERVERS to a real one";

    private readonly SemaphoreSlim _oneCommand = new(1);
    private ChildProcess? _embedded;
    private Testcontainers.Kafka.KafkaContainer? _container;

    public string BootstrapServers { get; private set; } = "";

    public bool IsEmbedded => _embedded is not null;

    /// <summary>
    /// The shortest that serves: real brokers refuse less than 6 s unless told otherwise. In the embedded one every rebalance
    /// lasts a session less 1 s, during which it refuses commits too, however quickly the members answer.
    /// </summary>
    public TimeSpan SessionTimeout => TimeSpan.FromSeconds(IsEmbedded ? 2 : 6);

    public async ValueTask InitializeAsync()
    {
        KafkaLibrary.Load();   // some tests make clients of their own before anything of ours does
        if (Environment.GetEnvironmentVariable("KAFKA_BOOTSTRAP_SERVERS") is { Length: > 0 } given)
            BootstrapServers = given;
        else if (!await StartContainerAsync())
            (_embedded, BootstrapServers) = await StartEmbeddedAsync();
    }

    /// <summary>An embedded broker of one's own, for tests that break it.</summary>
    public static async Task<TestBroker> StartOwnEmbeddedAsync()
    {
        var broker = new TestBroker();
        (broker._embedded, broker.BootstrapServers) = await StartEmbeddedAsync();
        return broker;
    }

    /// <summary>Creates the topics of a new pipeline and returns its prefix.</summary>
    public async Task<string> NewPipelineAsync(int lanes = 4)
    {
        var prefix = $"t{Guid.NewGuid():N}"[..10] + ".";
        if (IsEmbedded)
            await SendAsync($"pipeline {prefix} {lanes}");
        else
            await ConnectAsync(prefix, lanes);
        return prefix;
    }

    /// <summary>The settings with which a process of ours reaches such a pipeline; as environment variables with <c>__</c> for the colon.</summary>
    public Dictionary<string, string?> Settings(string prefix, int lanes = 4) => new()
    {
        ["Kafka:BootstrapServers"] = BootstrapServers,
        ["Kafka:TopicPrefix"] = prefix,
        ["Kafka:Partitions"] = lanes.ToString(),
        ["Kafka:SessionTimeout"] = SessionTimeout.ToString(),
    };

    /// <summary>The clients of such a pipeline, connected.</summary>
    public async Task<KafkaCluster> ConnectAsync(string prefix, int lanes = 4, Action<KafkaOptions>? configure = null, ILogger<KafkaCluster>? logger = null)
    {
        var options = new KafkaOptions { BootstrapServers = BootstrapServers, TopicPrefix = prefix, Partitions = lanes, SessionTimeout = SessionTimeout };
        configure?.Invoke(options);
        var cluster = new KafkaCluster(Options.Create(options), logger ?? NullLogger<KafkaCluster>.Instance);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await cluster.ConnectAsync(limit.Token);
        return cluster;
    }

    /// <summary>A command for the embedded broker (see its <c>--help</c>); returns what stands behind "ok".</summary>
    public async Task<string> SendAsync(string command)
    {
        if (_embedded is null)
            throw new InvalidOperationException(NeedsEmbedded);
        await _oneCommand.WaitAsync();
        try
        {
            var seen = _embedded.Lines.Count;
            await _embedded.WriteLineAsync(command);
            var answer = await _embedded.WaitForLineAsync(line => line.StartsWith("ok", StringComparison.Ordinal) || line.StartsWith("error", StringComparison.Ordinal), from: seen);
            return answer.StartsWith("ok", StringComparison.Ordinal) ? answer[2..].TrimStart() : throw new InvalidOperationException($"{command}: {answer}");
        }
        finally
        {
            _oneCommand.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_embedded is not null)
            await _embedded.DisposeAsync();
        if (_container is not null)
            await _container.DisposeAsync();
        _oneCommand.Dispose();
    }

    private static async Task<(ChildProcess Process, string BootstrapServers)> StartEmbeddedAsync()
    {
        var process = ChildProcess.Start("EmbeddedBroker");
        var ready = await process.WaitForLineAsync(line => line.StartsWith("ready ", StringComparison.Ordinal));
        return (process, ready["ready ".Length..]);
    }

    private async Task<bool> StartContainerAsync()
    {
        try
        {
            _container = new Testcontainers.Kafka.KafkaBuilder("apache/kafka:4.3.1").WithEnvironment("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false").Build();
        }
        catch (DotNet.Testcontainers.Builders.DockerUnavailableException)
        {
            return false;   // no Docker on this machine
        }
        await _container.StartAsync();
        BootstrapServers = _container.GetBootstrapAddress();
        return true;
    }
}

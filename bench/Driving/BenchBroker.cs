using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// The broker of a run: the one that was asked for, else a real Kafka where the script that starts one lies beside the repository, else the
/// embedded one. What was started ends with the run, and topics made in somebody else's broker are taken away again.
/// </summary>
internal sealed class BenchBroker : IAsyncDisposable
{
    private const string Embedded = "embedded";
    private static readonly string Script = Path.GetFullPath(Path.Combine(BuildOutput.Repository, "..", "shared", "kafka", "kafka"));
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan TopicsTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(20);

    // Holds the broker for as long as its input is open, so that the broker ends however this process does. Interrupts of the terminal are not for it.
    private const string Guard = """
        "$1" start "$2/kafka" </dev/null || exit 1
        while read -r _; do :; done
        "$1" stop "$2/kafka"
        rm -rf "$2"
        """;

    private readonly string _id = Guid.NewGuid().ToString("N")[..6];
    private readonly List<KafkaCluster> _made = [];
    private ChildProcess? _process;
    private bool _takesCommands;

    private BenchBroker()
    {
    }

    public string BootstrapServers { get; private set; } = "";

    public static async Task<BenchBroker> StartAsync(BenchRun run)
    {
        var asked = run.Arguments.Text("--kafka") is { Length: > 0 } option ? option : Environment.GetEnvironmentVariable("KAFKA_BOOTSTRAP_SERVERS") ?? "";
        var broker = new BenchBroker();
        try
        {
            if (asked.Length > 0 && asked != Embedded)
            {
                broker.BootstrapServers = asked;
                run.Say($"on the Kafka at {asked}");
            }
            else if (asked != Embedded && File.Exists(Script))
            {
                run.Say("starting a real Kafka for this run");
                await broker.StartKafkaAsync(run.Stop);
                run.Say($"on a real Kafka at {broker.BootstrapServers}, started for this run");
            }
            else
            {
                await broker.StartEmbeddedAsync(run.Stop);
                run.Say($"on the embedded broker at {broker.BootstrapServers}: no transactions, no disk; its figures do not compare with a real Kafka's");
            }
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes the topics of a new pipeline, and the clients of this process for it.</summary>
    public async Task<KafkaCluster> NewTopicsAsync(string name, int lanes, CancellationToken stop)
    {
        var options = new KafkaOptions { BootstrapServers = BootstrapServers, TopicPrefix = $"bench-{_id}-{name}.", Partitions = lanes };
        if (_takesCommands)
        {
            await _process!.WriteLineAsync($"pipeline {options.TopicPrefix} {lanes}");
            await _process.WaitForLineAsync($"ok pipeline {options.TopicPrefix}");
        }
        var cluster = new KafkaCluster(Options.Create(options), NullLogger<KafkaCluster>.Instance);
        _made.Add(cluster);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(TopicsTimeout);
        try
        {
            await cluster.ConnectAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new BenchException($"{BootstrapServers} does not answer, or does not let topics be made, within {TopicsTimeout.TotalSeconds} s");
        }
        return cluster;
    }

    /// <summary>The environment with which a process of ours works on these topics.</summary>
    public Dictionary<string, string?> SettingsFor(KafkaCluster cluster)
    {
        var settings = new Dictionary<string, string?>
        {
            ["Kafka__BootstrapServers"] = BootstrapServers,
            ["Kafka__TopicPrefix"] = cluster.Topics.Tasks[..^"tasks".Length],
            ["Kafka__Partitions"] = cluster.Topics.Lanes.ToString(),
        };
        if (cluster.IsEmbedded)
            settings["Kafka__SessionTimeout"] = "00:00:03";   // its rebalances last a session less 1 s
        return settings;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is null)
        {
            await RemoveTopicsAsync();
            return;
        }
        _process.CloseInput();
        await Task.WhenAny(_process.WaitForExitAsync(StopTimeout));
        await _process.DisposeAsync();
    }

    private async Task StartKafkaAsync(CancellationToken stop)
    {
        var folder = Directory.CreateTempSubdirectory("taskpipeline-bench-kafka-").FullName;
        _process = ChildProcess.StartFile("setsid", "Kafka", ["sh", "-c", Guard, "bench-kafka", Script, folder]);
        try
        {
            BootstrapServers = (await _process.WaitForLineAsync(line => line.StartsWith("127.0.0.1:", StringComparison.Ordinal), StartTimeout).WaitAsync(stop)).Trim();
        }
        catch (InvalidOperationException exception)
        {
            throw new BenchException($"Kafka could not be started; --kafka embedded does without. {exception.Message}");
        }
    }

    private async Task StartEmbeddedAsync(CancellationToken stop)
    {
        _takesCommands = true;
        _process = ChildProcess.Start("EmbeddedBroker", ["--ignore-interrupt"]);
        BootstrapServers = (await _process.WaitForLineAsync("ready ").WaitAsync(stop))["ready ".Length..];
    }

    private async Task RemoveTopicsAsync()
    {
        if (_made.Count == 0)
            return;
        using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = BootstrapServers }).SetLogHandler((_, _) => { }).Build();
        try
        {
            await admin.DeleteTopicsAsync(_made.SelectMany(cluster => cluster.Topics.All).Select(topic => topic.Name));
            await admin.DeleteGroupsAsync([.. _made.Select(cluster => cluster.Topics.WorkerGroup)]);
        }
        catch (KafkaException)
        {
            // Some were never made, or the broker has gone: nothing more can be done for it from here.
        }
    }
}

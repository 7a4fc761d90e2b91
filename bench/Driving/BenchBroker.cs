using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// The broker of a run: the one that was asked for, else a real Kafka where <c>TASKPIPELINE_KAFKA_SCRIPT</c> names a program that starts one, else the
/// embedded one. What was started ends with the run, and topics made in somebody else's broker are taken away again.
/// </summary>
internal sealed class BenchBroker : IAsyncDisposable
{
    private const string Embedded = "embedded";
    private static readonly string? Script = Environment.GetEnvironmentVariable("TASKPIPELINE_KAFKA_SCRIPT") is { Length: > 0 } script ? Path.GetFullPath(script) : null;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan TopicsTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(20);

    // Holds the broker for as long as its input is open, so that the broker ends however this process does. Interrupts of the terminal are not for it.
    // What it reads there are words of the script, each with the number of a broker, or that the data shall be kept.
    private const string Guard = """
        "$1" start "$2/kafka" --brokers "$3" --port "$4" </dev/null || exit 1
        while read -r word number; do
          if [ "$word" = keep ]; then keep=1; continue; fi
          if "$1" "$word" "$2/kafka" "$number" </dev/null >/dev/null; then echo "done $word $number"; else echo "failed $word $number"; fi
        done
        "$1" stop "$2/kafka"
        [ -n "$keep" ] || rm -rf "$2"
        """;

    private readonly string _id = Guid.NewGuid().ToString("N")[..6];
    private readonly List<KafkaCluster> _made = [];
    private readonly SemaphoreSlim _oneWord = new(1);
    private ChildProcess? _process;
    private string? _folder;   // of a Kafka that was started for the run
    private bool _isKept;

    private BenchBroker()
    {
    }

    public string BootstrapServers { get; private set; } = "";

    public bool IsEmbedded { get; private set; }

    /// <summary>Of the programs: the product's own, but for the embedded broker, whose rebalances last a session less 1 s.</summary>
    public TimeSpan SessionTimeout => IsEmbedded ? TimeSpan.FromSeconds(3) : new KafkaOptions().SessionTimeout;

    /// <summary>How many brokers of a real Kafka were started for the run, and so may be broken: they have the numbers from 1.</summary>
    public int Breakable { get; private set; }

    /// <summary>Between every client and the one broker of a Kafka that was started for the run; null anywhere else.</summary>
    public TcpProxy? Proxy { get; private set; }

    /// <param name="brokers">Of a Kafka that is started for the run.</param>
    /// <param name="isProxied">Whether clients shall reach that Kafka through a proxy, where it has one broker.</param>
    public static async Task<BenchBroker> StartAsync(BenchRun run, string? address = null, int brokers = 1, bool isProxied = false)
    {
        var asked = address ?? (run.Arguments.Text("--kafka") is { Length: > 0 } option ? option : Environment.GetEnvironmentVariable("KAFKA_BOOTSTRAP_SERVERS") ?? "");
        var broker = new BenchBroker();
        try
        {
            if (asked.Length > 0 && asked != Embedded)
            {
                broker.BootstrapServers = asked;
                run.Say($"on the Kafka at {asked}");
            }
            else if (asked != Embedded && Script is not null)
            {
                run.Say("starting a real Kafka for this run");
                await broker.StartKafkaAsync(brokers, isProxied && brokers == 1, run.Stop);
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
        if (IsEmbedded)
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

    /// <summary>In a process that was started with <see cref="SettingsFor"/>: the cluster that they name.</summary>
    public static KafkaCluster ClusterOfThisProcess() => new(Options.Create(new KafkaOptions
    {
        BootstrapServers = Environment.GetEnvironmentVariable("Kafka__BootstrapServers")!,
        TopicPrefix = Environment.GetEnvironmentVariable("Kafka__TopicPrefix")!,
        Partitions = PipelineUnderTest.Lanes,
    }), NullLogger<KafkaCluster>.Instance);

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
            settings["Kafka__SessionTimeout"] = SessionTimeout.ToString();
        return settings;
    }

    /// <summary>Makes one of the <see cref="Breakable"/> brokers do what a word of the script says: <c>kill</c>, <c>restart</c>, <c>pause</c> or <c>resume</c>.</summary>
    public async Task BreakAsync(string word, int number)
    {
        await _oneWord.WaitAsync();
        try
        {
            var seen = _process!.Lines.Count;
            await _process.WriteLineAsync($"{word} {number}");
            var answer = await _process.WaitForLineAsync(line => line.EndsWith($" {word} {number}", StringComparison.Ordinal), StartTimeout, seen);
            if (!answer.StartsWith("done", StringComparison.Ordinal))
                throw new BenchException($"broker {number} did not {word}: {_process.Output}");
        }
        catch (TimeoutException)
        {
            throw new BenchException($"broker {number} did not {word} within {StartTimeout.TotalSeconds} s: {_process!.Output}");
        }
        finally
        {
            _oneWord.Release();
        }
    }

    /// <summary>Leaves the topics of the run where they are, in a Kafka that goes on, or the data and logs of one that ends with the run. Answers where those are.</summary>
    public async Task<string?> KeepAsync()
    {
        _isKept = true;
        if (_folder is not null)
            await _process!.WriteLineAsync("keep");
        return _folder;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is null)
        {
            if (!_isKept)
                await RemoveTopicsAsync();
            return;
        }
        _process.CloseInput();
        await Task.WhenAny(_process.WaitForExitAsync(StopTimeout));
        await _process.DisposeAsync();
        if (Proxy is not null)
            await Proxy.DisposeAsync();
        _oneWord.Dispose();
    }

    private async Task StartKafkaAsync(int brokers, bool isProxied, CancellationToken stop)
    {
        _folder = Directory.CreateTempSubdirectory("taskpipeline-bench-kafka-").FullName;
        var port = "";   // the script finds free ones
        // As much as Kafka's own start script gives it, from the start, and most of it for what is young: else it stands still for 20 ms each 10 seconds.
        Dictionary<string, string?> settings = new() { ["KAFKA_HEAP"] = "1g", ["_JAVA_OPTIONS"] = "-Xms1g -Xmn640m" };
        if (isProxied)
        {
            port = FreePort.Find().ToString();
            Proxy = TcpProxy.Start(int.Parse(port));
            settings["KAFKA_OVERRIDES"] = $"advertised.listeners=BROKER://127.0.0.1:{Proxy.Port}";
        }
        _process = ChildProcess.StartFile("setsid", "Kafka", ["sh", "-c", Guard, "bench-kafka", Script!, _folder, brokers.ToString(), port], settings);
        try
        {
            BootstrapServers = (await _process.WaitForLineAsync(line => line.StartsWith("127.0.0.1:", StringComparison.Ordinal), StartTimeout).WaitAsync(stop)).Trim();
            Breakable = brokers;
            if (Proxy is not null)
                BootstrapServers = $"127.0.0.1:{Proxy.Port}";
        }
        catch (InvalidOperationException exception)
        {
            throw new BenchException($"Kafka could not be started; --kafka embedded does without. {exception.Message}");
        }
    }

    private async Task StartEmbeddedAsync(CancellationToken stop)
    {
        IsEmbedded = true;
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

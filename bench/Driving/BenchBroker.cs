using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// The broker of a run: the requested one, otherwise a real Kafka if <c>TASKPIPELINE_KAFKA_SCRIPT</c> names a program that starts one, otherwise the embedded
/// one. A broker that was started for the run ends with it. In other brokers the topics of the run are deleted afterwards.
/// </summary>
internal sealed class BenchBroker : IAsyncDisposable
{
    private const string Embedded = "embedded";
    private static readonly string? Script = Environment.GetEnvironmentVariable("TASKPIPELINE_KAFKA_SCRIPT") is { Length: > 0 } script ? Path.GetFullPath(script) : null;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan TopicsTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(20);

    // Keeps the broker running while its input is open, so the broker ends however this process ends. It ignores interrupts of the terminal. Each line of its
    // input is a command of the script with the number of a broker, or the order to keep the data.
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

    /// <summary>
    /// The session timeout of the programs: the product's default, but shorter on the embedded broker, whose rebalances last a session minus 1 s.
    /// </summary>
    public TimeSpan SessionTimeout => IsEmbedded ? TimeSpan.FromSeconds(3) : new KafkaOptions().SessionTimeout;

    /// <summary>How many brokers of a real Kafka were started for the run, and so can be attacked. Their numbers begin with 1.</summary>
    public int Breakable { get; private set; }

    /// <summary>The proxy between all clients and the only broker of a Kafka that was started for the run; otherwise null.</summary>
    public TcpProxy? Proxy { get; private set; }

    /// <param name="brokers">Number of brokers of a Kafka that is started for the run.</param>
    /// <param name="isProxied">Whether clients reach that Kafka through a proxy, if it has one broker.</param>
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

    /// <summary>Creates the topics of a new pipeline, and this process's clients for it.</summary>
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
            throw new BenchException($"{BootstrapServers} does not answer, or does not allow the creation of topics, within {TopicsTimeout.TotalSeconds} s");
        }
        return cluster;
    }

    /// <summary>The cluster that the settings name, in a process that was started with <see cref="SettingsFor"/>.</summary>
    public static KafkaCluster ClusterOfThisProcess() => new(Options.Create(new KafkaOptions
    {
        BootstrapServers = Environment.GetEnvironmentVariable("Kafka__BootstrapServers")!,
        TopicPrefix = Environment.GetEnvironmentVariable("Kafka__TopicPrefix")!,
        Partitions = PipelineUnderTest.Lanes,
    }), NullLogger<KafkaCluster>.Instance);

    /// <summary>The environment of a process that works on these topics.</summary>
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

    /// <summary>
    /// Runs a command of the script on one of the <see cref="Breakable"/> brokers: <c>kill</c>, <c>restart</c>, <c>pause</c> or <c>resume</c>.
    /// </summary>
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

    /// <summary>
    /// Keeps the topics of the run in a Kafka that continues, or the data and logs of a Kafka that ends with the run. Returns where they are.
    /// </summary>
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
        var port = "";   // the script finds free ports
        // As much memory as in Kafka's own start script, allocated at the start, and most of it for new objects: otherwise it pauses for 20 ms every
        // 10 seconds.
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
            throw new BenchException($"Kafka could not be started; --kafka embedded needs none. {exception.Message}");
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
            // Some topics were never created, or the broker has ended; nothing more can be done here.
        }
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.DevStack;

/// <summary>
/// All processes of the pipeline on one machine. A process that ends is restarted, except the embedded broker: its records are lost, so the whole stack
/// ends.
/// </summary>
internal sealed class Stack(StackSettings options, Log log) : IDisposable
{
    private const string Up = "up";
    private const string Ready = "ready ";
    private const int BadConfiguration = 78;   // EX_CONFIG of sysexits: a restart does not help
    private const string EmbeddedLanes = "24";
    private const string EmbeddedSession = "00:00:03";   // its rebalances last a session minus 1 s, so the session is short
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ReadyInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan PatienceBeforeHint = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(3.5);
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stop = new();    // a stop was requested, or the stack cannot continue
    private readonly CancellationTokenSource _hurry = new();   // a second stop was requested
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly List<Child> _children = [];
    private int _exitCode;

    public async Task<int> RunAsync()
    {
        if (options.Port != 0)
            Ports.Require(options.Port);
        Directory.CreateDirectory(options.DataDirectory);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

        var broker = options.Kafka is null ? NewBroker() : null;
        var (brokerRunning, bootstrap) = broker is null ? (Task.CompletedTask, options.Kafka!) : await StartBrokerAsync(broker);
        var api = $"http://127.0.0.1:{(options.Port != 0 ? options.Port : FreePort.Find())}";
        var projectConfig = $"http://127.0.0.1:{FreePort.Find()}";
        var kafka = KafkaSettings(bootstrap);
        _children.Add(NewProjectConfig(projectConfig));
        _children.Add(NewApi(api, kafka));
        for (var number = 1; number <= options.Workers; number++)
            _children.Add(NewWorker($"worker-{number}", projectConfig, kafka));

        var running = _children.Select(KeepRunningAsync).ToList();
        await WaitUntilReadyAsync(api);
        if (!_stop.IsCancellationRequested)
            SayReady(api, bootstrap);
        await Task.Delay(Timeout.Infinite, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        log.Write(Up, "stopping");
        await EndAsync(_children, Task.WhenAll(running), StopTimeout);
        if (broker is not null)
        {
            broker.CloseInput();
            await EndAsync([], brokerRunning, EndTimeout);
            broker.End();
        }
        log.Write(Up, "all processes have ended");
        return _exitCode;
    }

    public void Dispose()
    {
        _stop.Dispose();
        _hurry.Dispose();
    }

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_stop.IsCancellationRequested)
            _hurry.Cancel();
        else
            _stop.Cancel();
    }

    private void GiveUp(string reason)
    {
        if (_stop.IsCancellationRequested)
            return;
        log.Write(Up, reason);
        _exitCode = 1;
        _stop.Cancel();
    }

    private string Artifacts => Path.Combine(options.DataDirectory, "artifacts");

    private Child NewBroker() => new(
        "broker",
        "EmbeddedBroker",
        ["--topic-prefix", "", "--partitions", EmbeddedLanes, "--group-delay", "1000", "--ignore-interrupt"],
        new Dictionary<string, string>(),
        log);

    private Child NewProjectConfig(string address) => new("project-config", "ProjectConfig", [], new Dictionary<string, string>
    {
        ["Parent__HoldsInput"] = "true",
        ["ASPNETCORE_URLS"] = address,
        ["Projects__DataDirectory"] = options.DataDirectory,
        ["Projects__SamplesDirectory"] = Path.Combine(BuildOutput.Repository, "samples"),
    }, log);

    private Child NewApi(string address, IReadOnlyDictionary<string, string> kafka) => new("api", "TaskApi", [], new Dictionary<string, string>(kafka)
    {
        ["Parent__HoldsInput"] = "true",
        ["ASPNETCORE_URLS"] = address,
        ["Artifacts__Directory"] = Artifacts,
        ["Catalogue__File"] = options.TaskTypes,
    }, log);

    private Child NewWorker(string id, string projectConfig, IReadOnlyDictionary<string, string> kafka) =>
        new(id, "TaskWorker", [], new Dictionary<string, string>(kafka)
    {
        ["Parent__HoldsInput"] = "true",
        ["Worker__Id"] = id,
        ["Worker__ProjectConfigUrl"] = projectConfig,
        ["Worker__DataDirectory"] = options.DataDirectory,
        ["Artifacts__Directory"] = Artifacts,
        ["Worker__SearchPath"] = BuildOutput.FolderOf("agent-cli"),
        ["Worker__DrainTimeout"] = "00:00:01",   // Ctrl+C should be quick
        ["Catalogue__File"] = options.TaskTypes,
    }, log);

    private Dictionary<string, string> KafkaSettings(string bootstrap)
    {
        var settings = new Dictionary<string, string> { ["Kafka__BootstrapServers"] = bootstrap };
        if (options.Kafka is null)
        {
            settings["Kafka__TopicPrefix"] = "";
            settings["Kafka__Partitions"] = EmbeddedLanes;
            settings["Kafka__SessionTimeout"] = EmbeddedSession;
        }
        return settings;
    }

    private async Task<(Task Running, string Bootstrap)> StartBrokerAsync(Child broker)
    {
        var ready = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = broker.RunAsync(line => !(line.StartsWith(Ready, StringComparison.Ordinal) && ready.TrySetResult(line[Ready.Length..])));
        if (await Task.WhenAny(ready.Task, running) == running)
            throw new StackException($"the embedded broker ended with exit code {await running}; its messages are above");
        var bootstrap = await ready.Task;
        log.Write(broker.Name, $"the embedded broker listens on {bootstrap}");
        return (WatchAsync(), bootstrap);

        async Task WatchAsync()
        {
            var exitCode = await running;
            GiveUp($"the embedded broker ended with exit code {exitCode}; all tasks are lost");
        }
    }

    private async Task KeepRunningAsync(Child child)
    {
        var pause = ShortestPause;
        while (!_stop.IsCancellationRequested)
        {
            var started = Stopwatch.GetTimestamp();
            var exitCode = await child.RunAsync();
            if (_stop.IsCancellationRequested)
                return;
            if (exitCode == BadConfiguration)
            {
                GiveUp($"{child.Name} cannot run with this configuration; its messages are above");
                return;
            }
            pause = Stopwatch.GetElapsedTime(started) > Settled ? ShortestPause : pause;
            log.Write(Up, $"{child.Name} ended with exit code {exitCode}; restarting it in {pause.TotalSeconds:0.#} s");
            await Task.Delay(pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private async Task WaitUntilReadyAsync(string api)
    {
        using var http = new HttpClient { BaseAddress = new Uri(api), Timeout = TimeSpan.FromSeconds(2) };
        using var timer = new PeriodicTimer(ReadyInterval);
        var hinted = false;
        while (!_stop.IsCancellationRequested)
        {
            var answer = await AskAsync(http);
            if (answer is null)
                return;
            if (!hinted && Stopwatch.GetElapsedTime(_started) > PatienceBeforeHint)
            {
                hinted = true;
                log.Write(Up, $"still not ready: {answer}");
            }
            await timer.WaitForNextTickAsync();
        }
    }

    /// <summary>Null if the API is ready, otherwise the reason why it is not.</summary>
    private async Task<string?> AskAsync(HttpClient http)
    {
        try
        {
            using var response = await http.GetAsync(new Uri("/readyz", UriKind.Relative), _stop.Token);
            return response.IsSuccessStatusCode ? null
                : $"/readyz answers {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(_stop.Token)}".TrimEnd();
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            return exception.Message;
        }
    }

    private async Task EndAsync(IReadOnlyList<Child> children, Task ended, TimeSpan timeout)
    {
        foreach (var child in children)
            child.Ask();
        await ended.WaitAsync(timeout, _hurry.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var child in children.Where(child => child.Id is not null))
        {
            log.Write(Up, $"{child.Name} did not end in time and is killed");
            child.End();
        }
    }

    private void SayReady(string api, string bootstrap)
    {
        var samples = Path.GetRelativePath(Environment.CurrentDirectory, Path.Combine(BuildOutput.Repository, "samples", "import-excel.json"));
        var running = _children.Where(child => child.Id is not null && child.Name.StartsWith("worker-", StringComparison.Ordinal));
        var workers = string.Join(", ", running.Select(child => $"{child.Name} = process {child.Id}"));
        log.Say($"""

            ready after {Stopwatch.GetElapsedTime(_started).TotalSeconds:0.0} s

              page     {api}/ui/
              API      {api}/docs
              Kafka    {bootstrap}{(options.Kafka is null ? " (embedded)" : "")}
              workers  {workers}
              data     {options.DataDirectory}

            Try, from another terminal:
              curl -s {api}/tasks -H 'Content-Type: application/json' -d @{samples}
              curl -N {api}/tasks/TASK_ID/events
              curl -X POST {api}/tasks/TASK_ID/stop
            """);
        if (options.Kafka is null)
            log.Say($"""

                The embedded broker keeps everything in memory: tasks and their output are lost when it ends. Of the output it keeps
                the newest 5 MiB in each of its {EmbeddedLanes} partitions. --kafka HOST:PORT uses a real Kafka instead.
                """);
        log.Say("\nCtrl+C ends everything.\n");
    }
}

/// <summary>The stack cannot start; the message says what to do.</summary>
internal sealed class StackException(string message) : Exception(message);

using System.Text;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.Testing;

namespace TaskPipeline.Tests.Processes;

/// <summary>One shell script run as an agent by this process, with what it printed and what is left of it.</summary>
internal sealed class AgentUnderTest : IDisposable
{
    public static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly MemoryStream _output = new();   // under the gate
    private readonly AgentRun _run;
    private readonly AgentCgroup? _cgroup;
    private readonly TaskCompletionSource<int> _spawned = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public AgentUnderTest(
        string script,
        AgentLimits? limits = null,
        AgentCgroup? cgroup = null,
        TerminalSize? terminal = null,
        int? openFiles = null,
        Task? mayBegin = null,
        Action<int>? spawned = null)
    {
        _cgroup = cgroup;
        Marker = RunMarker.Of(TaskIds.New(), 1);
        var command = new AgentCommand("/bin/sh", ["-c", script], new Dictionary<string, string>
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH")!,
            ["F"] = Folder,
            [RunMarker.Variable] = Marker,
        }, Folder, Stdin: null)
        { TerminalSize = terminal, OpenFiles = openFiles };
        _run = new AgentRun(command, Marker, limits ?? Limits(), Launcher.Start(cgroup), TimeProvider.System) { Paused = Pauses.Add };
        Exit = Task.Run(() => _run.RunAsync(ReadAsync, ReadAsync, mayBegin ?? Task.CompletedTask, spawned ?? _spawned.SetResult));
    }

    /// <summary>Its working directory, <c>$F</c>.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("taskpipeline-agent-").FullName;

    public string Marker { get; }
    public Task<AgentExit> Exit { get; }
    public Task<int> Spawned => _spawned.Task;
    public List<bool> Pauses { get; } = [];

    public string Output => Encoding.UTF8.GetString(Bytes);

    /// <summary>Of both outputs, as they came.</summary>
    public byte[] Bytes
    {
        get
        {
            lock (_gate)
                return _output.ToArray();
        }
    }

    public static AgentLimits Limits(double seconds = 3600, double grace = 5) =>
        new() { Time = TimeSpan.FromSeconds(seconds), Grace = TimeSpan.FromSeconds(grace) };

    /// <summary>How many of its processes live, by the marker and, where it has one, by its control group.</summary>
    public int Left => RunMarker.ProcessesOf(Marker).Union(_cgroup?.Processes ?? []).Count();

    public void Stop(bool force = false) => _run.End(EndReason.UserRequest, force);

    public void Pause() => _run.Pause(true);

    public void Resume() => _run.Pause(false);

    public Task UntilPrintedAsync(string text) => Eventually.TrueAsync($"it prints '{text}'", () => Output.Contains(text, StringComparison.Ordinal), MaxWait);

    public void Dispose()
    {
        RunMarker.Sweep(Marker, cleanPasses: 2);
        _cgroup?.End();
        _cgroup?.Dispose();
        _output.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private async Task ReadAsync(Stream stream, CancellationToken giveUp)
    {
        var buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer, CancellationToken.None).AsTask().WaitAsync(giveUp) is > 0 and var length)
                lock (_gate)
                    _output.Write(buffer, 0, length);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The terminal has closed, or nobody waits for the rest.
        }
    }
}

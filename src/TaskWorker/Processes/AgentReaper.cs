using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// Ends this worker's agents when the worker itself is killed: two small processes, each in its own session, wait on a pipe from the worker. However
/// the worker ends, the kernel closes the pipe, and they kill what is left. There are two in case one is killed with the worker; one that ends
/// earlier is replaced. They are shells, because a shell takes one megabyte instead of forty.
/// </summary>
internal sealed partial class AgentReaper(Cgroups cgroups, IHostApplicationLifetime lifetime, ILogger<AgentReaper> logger) : IHostedService, IDisposable
{
    private const int Pair = 2;

    // $1: a pattern of this worker's markers, so that it ends only this worker's processes. $2: the folder of the worker's control groups, or empty.
    // It ends after two passes that find nothing.
    private const string Script = """
        while read -r _; do :; done
        clean=0
        while [ $clean -lt 2 ]; do
          clean=$((clean + 1))
          [ -z "$2" ] || { echo 1 > "$2/cgroup.kill"; } 2>/dev/null
          for environ in $(grep -lsz -- "$1" /proc/[0-9]*/environ 2>/dev/null); do
            pid=${environ#/proc/}; pid=${pid%/environ}
            kill -KILL "$pid" 2>/dev/null && clean=0
          done
        done
        [ -z "$2" ] || rmdir "$2"/*/ "$2" 2>/dev/null
        """;

    private readonly Process?[] _processes = new Process?[Pair];   // guarded by _gate, like _isEnding
    private readonly Lock _gate = new();
    private bool _isEnding;
    private Task _watching = Task.CompletedTask;

    /// <summary>Process ids of the current two.</summary>
    public IReadOnlyList<int> Pids
    {
        get
        {
            lock (_gate)
                return [.. _processes.OfType<Process>().Select(process => process.Id)];
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
            return Task.CompletedTask;
        RunMarker.SweepOrphans();
        for (var place = 0; place < Pair; place++)
            Start(place);
        _watching = Task.WhenAll(Enumerable.Range(0, Pair).Select(WatchAsync));
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _isEnding = true;
            foreach (var process in _processes)
                process?.StandardInput.Close();
        }
        await _watching.WaitAsync(cancellationToken);
    }

    public void Dispose()
    {
        foreach (var process in _processes)
            process?.Dispose();
    }

    private async Task WatchAsync(int place)
    {
        while (true)
        {
            var process = _processes[place]!;
            await process.WaitForExitAsync();
            lock (_gate)
            {
                if (_isEnding)
                    return;
                process.Dispose();
                LogReplaced(logger);
                try
                {
                    Start(place);
                }
                catch (Win32Exception exception)
                {
                    LogUnguarded(logger, exception);
                    Environment.ExitCode = ExitCodes.Died;
                    lifetime.StopApplication();
                    _processes[place] = null;
                    return;
                }
            }
        }
    }

    private void Start(int place) =>
        _processes[place] = HelperShell.Start("taskworker-reaper", Script, [RunMarker.OwnPattern, cgroups.Folder], hasInput: true);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A reaper process has ended and is replaced")]
    private static partial void LogReplaced(ILogger logger);

    [LoggerMessage(Level = LogLevel.Critical,
        Message = "A reaper process has ended and cannot be replaced: this worker ends, because its agents could outlive it")]
    private static partial void LogUnguarded(ILogger logger, Exception exception);
}

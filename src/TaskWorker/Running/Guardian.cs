using System.Diagnostics;
using Microsoft.Extensions.Hosting;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// Ends this worker's agents when the worker itself is killed: a small process in a session of its own that waits on a pipe from here.
/// However the worker ends, the kernel closes the pipe, and the guardian sweeps. It is a shell so that it costs a megabyte, not forty.
/// </summary>
internal sealed class Guardian : IHostedService, IDisposable
{
    // Only the marker's owner part is matched, so what it ends is this worker's and nobody else's. Two clean passes end it.
    private const string Script = """
        while read -r _; do :; done
        clean=0
        while [ $clean -lt 2 ]; do
          clean=$((clean + 1))
          for environ in $(grep -lsz "^$1/" /proc/[0-9]*/environ 2>/dev/null); do
            pid=${environ#/proc/}; pid=${pid%/environ}
            kill -KILL "$pid" 2>/dev/null && clean=0
          done
        done
        """;

    private Process? _process;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
            return Task.CompletedTask;
        RunMarker.SweepOrphans();
        var start = new ProcessStartInfo("setsid") { RedirectStandardInput = true };
        foreach (var argument in (string[])["sh", "-c", Script, "taskworker-guardian", $"{RunMarker.Variable}={RunMarker.Owner}"])
            start.ArgumentList.Add(argument);
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/bin:/usr/bin:/bin";
        _process = Process.Start(start);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _process?.StandardInput.Close();
        return _process?.WaitForExitAsync(cancellationToken) ?? Task.CompletedTask;
    }

    public void Dispose() => _process?.Dispose();
}

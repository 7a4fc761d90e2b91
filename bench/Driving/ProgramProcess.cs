using System.Diagnostics;
using System.Runtime.InteropServices;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// A program of this repository under measurement. Its output goes to a file, as in production, and costs the bench nothing. It ends when its standard input
/// is closed, however the bench ends.
/// </summary>
internal sealed class ProgramProcess : IAsyncDisposable
{
    private const int LastWords = 15;
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(10);

    private readonly string _log;
    private readonly ChildProcess _process;

    private ProgramProcess(string name, string log, ChildProcess process) => (Name, _log, _process) = (name, log, process);

    public string Name { get; }

    public double ResidentMiB
    {
        get
        {
            using var process = Process.GetProcessById(_process.Id);
            return process.WorkingSet64 / (1024.0 * 1024);
        }
    }

    /// <summary>CPU time that it has used.</summary>
    public double CpuSeconds
    {
        get
        {
            using var process = Process.GetProcessById(_process.Id);
            return process.TotalProcessorTime.TotalSeconds;
        }
    }

    /// <summary>Its peak resident memory.</summary>
    public double PeakMiB
    {
        get
        {
            using var process = Process.GetProcessById(_process.Id);
            return process.PeakWorkingSet64 / (1024.0 * 1024);
        }
    }

    public static ProgramProcess Start(string project, string name, string workingDirectory, string logs, IEnumerable<KeyValuePair<string, string?>> settings, params IEnumerable<string> arguments)
    {
        var log = Path.Combine(logs, name + ".log");
        return new ProgramProcess(name, log, ChildProcess.StartFile(
            "/bin/sh", name, ["-c", "log=$1; shift; exec \"$0\" \"$@\" >>\"$log\" 2>&1", BuildOutput.ProgramOf(project), log, .. arguments],
            [.. settings, KeyValuePair.Create("Parent__HoldsInput", (string?)"true")], workingDirectory));
    }

    /// <summary>Its exit code, after it has ended.</summary>
    public Task<int> ExitedAsync() => _process.WaitForExitAsync(Timeout.InfiniteTimeSpan);

    /// <summary>Sends SIGKILL to this process only.</summary>
    public void Kill() => _process.KillAlone();

    /// <summary>Sends SIGTERM, as a supervisor does.</summary>
    public void Terminate() => _process.Signal(PosixSignal.SIGTERM);

    /// <summary>Freezes the process for this time. A separate process resumes it, even if the bench is killed meanwhile.</summary>
    public async Task FreezeAsync(TimeSpan length)
    {
        using var freezer = Process.Start("setsid", ["sh", "-c", "kill -STOP $0 && sleep $1; kill -CONT $0", _process.Id.ToString(), length.TotalSeconds.ToString("0.000")]);
        await freezer.WaitForExitAsync();
    }

    public void ThrowIfEnded()
    {
        if (_process.HasExited)
            throw new BenchException($"{Name} has ended with exit code {_process.ExitCode}. Its last lines:\n{string.Join('\n', File.ReadLines(_log).TakeLast(LastWords))}");
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.CloseInput();
            await Task.WhenAny(_process.WaitForExitAsync(StopTimeout));
        }
        await _process.DisposeAsync();
    }
}

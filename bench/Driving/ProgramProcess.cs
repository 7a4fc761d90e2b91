using System.Diagnostics;
using System.Runtime.InteropServices;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// A program of this repository under measurement. Its output goes to a file, as it does in production, and costs the bench nothing. It ends with
/// its standard input, however the bench ends.
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

    /// <summary>Processor time that it has used.</summary>
    public double CpuSeconds
    {
        get
        {
            using var process = Process.GetProcessById(_process.Id);
            return process.TotalProcessorTime.TotalSeconds;
        }
    }

    /// <summary>The most that it ever had resident.</summary>
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

    /// <summary>Its exit code, once it has ended.</summary>
    public Task<int> ExitedAsync() => _process.WaitForExitAsync(Timeout.InfiniteTimeSpan);

    /// <summary>As <c>kill -9</c>: to this process alone.</summary>
    public void Kill() => _process.KillAlone();

    /// <summary>As a supervisor asks it to end.</summary>
    public void Terminate() => _process.Signal(PosixSignal.SIGTERM);

    /// <summary>Stands still for so long. A process of its own sees to it that it goes on, also where the bench is killed meanwhile.</summary>
    public async Task FreezeAsync(TimeSpan length)
    {
        using var freezer = Process.Start("setsid", ["sh", "-c", "kill -STOP $0 && sleep $1; kill -CONT $0", _process.Id.ToString(), length.TotalSeconds.ToString("0.000")]);
        await freezer.WaitForExitAsync();
    }

    public void ThrowIfEnded()
    {
        if (_process.HasExited)
            throw new BenchException($"{Name} has ended with exit code {_process.ExitCode}. Its last words:\n{string.Join('\n', File.ReadLines(_log).TakeLast(LastWords))}");
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

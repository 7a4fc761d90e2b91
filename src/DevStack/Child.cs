using System.Runtime.InteropServices;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.DevStack;

/// <summary>
/// One process of the stack, which can be restarted. Its standard input stays open while this process lives, so it also ends when this process is killed.
/// </summary>
internal sealed class Child(string name, string project, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, Log log)
{
    private readonly string _program = BuildOutput.ProgramOf(project);
    private readonly string[] _arguments = [.. arguments];
    private ChildProcess? _process;   // the latest run

    public string Name => name;

    public int? Id => _process is { HasExited: false } process ? process.Id : null;

    /// <summary>Runs the program once and returns its exit code. <paramref name="onLine"/> receives its lines and returns whether to log them.</summary>
    public async Task<int> RunAsync(Func<string, bool>? onLine = null)
    {
        var variables = environment.Select(variable => KeyValuePair.Create(variable.Key, (string?)variable.Value));
        await using var process = ChildProcess.StartFile(_program, name, _arguments, variables, onLine: line =>
        {
            if (onLine?.Invoke(line) ?? true)
                log.Write(name, line);
        });
        _process = process;
        var exitCode = await process.WaitForExitAsync(Timeout.InfiniteTimeSpan);
        _process = null;
        return exitCode;
    }

    public void Ask()
    {
        if (OperatingSystem.IsWindows())
            CloseInput();
        else
            Try(process => process.Signal(PosixSignal.SIGTERM));
    }

    public void CloseInput() => Try(process => process.CloseInput());

    /// <summary>Kills it and all processes that it started.</summary>
    public void End() => Try(process => process.KillTree());

    private void Try(Action<ChildProcess> act)
    {
        try
        {
            if (_process is { HasExited: false } process)
                act(process);
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            // It has already ended.
        }
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace TaskPipeline.DevStack;

/// <summary>
/// One process of the stack. Its standard input stays open for as long as this process lives: that is how it hears of our end,
/// whatever that is.
/// </summary>
internal sealed partial class Child(string name, string project, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, Log log)
{
    private const int Terminate = 15;
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(300);

    private readonly string _program = Repository.ProgramOf(project);
    private readonly string[] _arguments = [.. arguments];
    private Process? _process;   // the last one that was started

    public string Name => name;

    public int? Id => _process is { HasExited: false } process ? process.Id : null;

    /// <summary>Runs the program once and returns its exit code. <paramref name="onLine"/> sees its lines and says which of them go to the log.</summary>
    public async Task<int> RunAsync(Func<string, bool>? onLine = null)
    {
        var start = new ProcessStartInfo(_program, _arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_ROOT"] = Repository.DotnetRoot;
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        using var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        var exited = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        process.Exited += (_, _) => exited.TrySetResult();
        process.Start();
        _process = process;
        var reading = Task.WhenAll(ReadAsync(process.StandardOutput, onLine), ReadAsync(process.StandardError, onLine));
        await exited.Task;
        // What it started may still hold its output open; that is not waited for.
        await Task.WhenAny(reading, Task.Delay(LastWords));
        _process = null;
        return process.ExitCode;
    }

    public void Ask()
    {
        if (Id is not { } id)
            return;
        if (OperatingSystem.IsWindows())
            CloseInput();
        else
            _ = Kill(id, Terminate);   // it may have ended in the meantime
    }

    public void CloseInput()
    {
        try
        {
            _process?.StandardInput.Close();
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            // It has ended.
        }
    }

    /// <summary>With everything it has started.</summary>
    public void End()
    {
        try
        {
            _process?.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended.
        }
    }

    private async Task ReadAsync(StreamReader output, Func<string, bool>? onLine)
    {
        while (await output.ReadLineAsync() is { } line)
            if (onLine?.Invoke(line) ?? true)
                log.Write(name, line);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int pid, int signal);
}

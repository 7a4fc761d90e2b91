using System.Diagnostics;
using System.Runtime.InteropServices;

namespace TaskPipeline.LocalProcesses;

/// <summary>
/// A child process, usually a program of this solution from its build output. It keeps its lines, for which you can wait, or passes them to its owner.
/// Disposing it ends it and all processes that it started.
/// </summary>
public sealed partial class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];
    private readonly string _name;
    private readonly Action<string>? _onLine;
    private TaskCompletionSource _more = NewSignal();   // replaced after every line, under the lock
    private int _open = 2;                              // stdout and stderr

    private ChildProcess(string name, ProcessStartInfo start, Action<string>? onLine)
    {
        (_name, _onLine) = (name, onLine);
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.Exited += (_, _) => _exited.TrySetResult();
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
    }

    /// <summary>Whether this process ignores SIGINT, as shells arrange for background processes. Its children inherit that.</summary>
    public static bool IgnoresInterrupt { get; } = OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is var ignored
        && (Convert.ToUInt64(ignored["SigIgn:".Length..].Trim(), 16) & 1ul << (NumberOf(PosixSignal.SIGINT) - 1)) != 0;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>All lines so far, of stdout and stderr together.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    public string Output => string.Join('\n', Lines);

    /// <summary>Starts a project's program. <paramref name="environment"/> is added to this process's environment; null removes a variable.</summary>
    public static ChildProcess Start(string project, IEnumerable<string>? arguments = null, IEnumerable<KeyValuePair<string, string?>>? environment = null) =>
        StartFile(BuildOutput.ProgramOf(project), project, arguments, environment);

    /// <summary>Starts any program.</summary>
    /// <param name="onLine">Receives each line of stdout and stderr; the lines are not kept then.</param>
    public static ChildProcess StartFile(
        string file,
        string name,
        IEnumerable<string>? arguments = null,
        IEnumerable<KeyValuePair<string, string?>>? environment = null,
        string? workingDirectory = null,
        Action<string>? onLine = null)
    {
        var start = new ProcessStartInfo(file, arguments ?? [])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingDirectory ?? "",
        };
        // The programs use the runtime of this process, wherever that is installed.
        start.Environment["DOTNET_ROOT"] = BuildOutput.DotnetRoot;
        foreach (var (key, value) in environment ?? [])
            start.Environment[key] = value;
        var child = new ChildProcess(name, start, onLine);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Waits for the first matching line, from the <paramref name="from"/>-th line on.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> matches, TimeSpan? timeout = null, int from = 0)
    {
        using var limit = new CancellationTokenSource(timeout ?? DefaultTimeout);
        for (var next = from; ;)
        {
            Task more;
            lock (_lock)
            {
                for (; next < _lines.Count; next++)
                    if (matches(_lines[next]))
                        return _lines[next];
                if (_open == 0)
                    throw new InvalidOperationException($"{_name} ended without the expected line. It printed:\n{string.Join('\n', _lines)}");
                more = _more.Task;
            }
            try
            {
                await more.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{_name} did not print the expected line. It printed:\n{Output}");
            }
        }
    }

    public Task<string> WaitForLineAsync(string part, TimeSpan? timeout = null, int from = 0) =>
        WaitForLineAsync(line => line.Contains(part, StringComparison.Ordinal), timeout, from);

    /// <summary>Waits until it has ended, and shortly for its last lines, because its children can keep its output open for longer.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan? timeout = null)
    {
        try
        {
            await _exited.Task.WaitAsync(timeout ?? DefaultTimeout);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{_name} did not end. It printed:\n{Output}");
        }
        await _process.WaitForExitAsync().WaitAsync(LastWords).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _process.ExitCode;
    }

    public async Task WriteLineAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    public void CloseInput() => _process.StandardInput.Close();

    /// <summary>Sends a signal to this process only, not to its children.</summary>
    public void Signal(PosixSignal signal) => Send(_process.Id, NumberOf(signal));

    /// <summary>Sends SIGKILL to this process only; its children continue.</summary>
    public void KillAlone() => _process.Kill();

    /// <summary>Kills it and all processes that it started.</summary>
    public void KillTree() => _process.Kill(entireProcessTree: true);

    /// <summary>Sends a signal to its process group, which it must lead.</summary>
    public void KillGroup() => Send(-_process.Id, 9);

    public void Pause() => Send(_process.Id, OperatingSystem.IsMacOS() ? 17 : 19);

    public void Resume() => Send(_process.Id, OperatingSystem.IsMacOS() ? 19 : 18);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            try
            {
                KillTree();
            }
            catch (InvalidOperationException)
            {
                // It has already ended.
            }
        }
        await WaitForExitAsync();
        _process.Dispose();
    }

    private void Take(string? line)
    {
        TaskCompletionSource reached;
        lock (_lock)
        {
            if (line is null)
                _open--;
            else if (_onLine is null)
                _lines.Add(line);
            (reached, _more) = (_more, NewSignal());
        }
        reached.SetResult();
        if (line is not null)
            _onLine?.Invoke(line);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static int NumberOf(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGQUIT => 3,
        PosixSignal.SIGTERM => 15,
        _ => throw new ArgumentOutOfRangeException(nameof(signal)),
    };

    private static void Send(int pid, int signal)
    {
        if (Kill(pid, signal) != 0)
            throw new InvalidOperationException($"signal {signal} did not reach process {pid}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int pid, int signal);
}

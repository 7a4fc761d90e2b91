using System.Diagnostics;
using System.Runtime.InteropServices;

namespace TaskPipeline.LocalProcesses;

/// <summary>
/// A program of this solution, started as a process of its own from its build output. Its lines are kept and can be waited for, or they are given to its
/// owner as they come. Disposing it ends it and everything it started.
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
    private TaskCompletionSource _more = NewSignal();   // replaced with every line, under the lock
    private int _open = 2;                              // stdout and stderr

    private ChildProcess(string name, ProcessStartInfo start, Action<string>? onLine)
    {
        (_name, _onLine) = (name, onLine);
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.Exited += (_, _) => _exited.TrySetResult();
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
    }

    /// <summary>Whether this process was started in the background by a shell, with interrupts ignored; those it starts then ignore them too.</summary>
    public static bool IgnoresInterrupt { get; } = OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is var ignored
        && (Convert.ToUInt64(ignored["SigIgn:".Length..].Trim(), 16) & 1ul << (NumberOf(PosixSignal.SIGINT) - 1)) != 0;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>Everything it has printed so far, stdout and stderr together.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    public string Output => string.Join('\n', Lines);

    /// <summary>Starts a project's program, with <paramref name="environment"/> on top of what this process has; null takes a variable away.</summary>
    public static ChildProcess Start(string project, IEnumerable<string>? arguments = null, IEnumerable<KeyValuePair<string, string?>>? environment = null) =>
        StartFile(BuildOutput.ProgramOf(project), project, arguments, environment);

    /// <summary>The same for any other program.</summary>
    /// <param name="onLine">Is given each line of stdout and stderr, which is not kept then.</param>
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
        // The programs find the runtime where this one did, wherever that is installed.
        start.Environment["DOTNET_ROOT"] = BuildOutput.DotnetRoot;
        foreach (var (key, value) in environment ?? [])
            start.Environment[key] = value;
        var child = new ChildProcess(name, start, onLine);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>The first line that matches, from the <paramref name="from"/>-th on, as soon as it is there.</summary>
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
                    throw new InvalidOperationException($"{_name} ended without the line that was waited for. It printed:\n{string.Join('\n', _lines)}");
                more = _more.Task;
            }
            try
            {
                await more.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{_name} did not print the line that was waited for. It printed:\n{Output}");
            }
        }
    }

    public Task<string> WaitForLineAsync(string part, TimeSpan? timeout = null, int from = 0) =>
        WaitForLineAsync(line => line.Contains(part, StringComparison.Ordinal), timeout, from);

    /// <summary>Waits until it is gone, and for a moment for its last lines: what it started may hold its output open for longer.</summary>
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

    /// <summary>To this process alone, not to those it started.</summary>
    public void Signal(PosixSignal signal) => Send(_process.Id, NumberOf(signal));

    /// <summary>As <c>kill -9</c>: to this process alone; what it started stays behind.</summary>
    public void KillAlone() => _process.Kill();

    /// <summary>With everything it has started.</summary>
    public void KillTree() => _process.Kill(entireProcessTree: true);

    /// <summary>To its process group, which it must lead.</summary>
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
                // It was faster.
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

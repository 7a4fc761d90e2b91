using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Threading.Channels;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// One run of an agent, from the spawn until all its processes have ended. The first request to end it decides the reason; after the exit no request
/// counts and no signal is sent.
/// </summary>
internal sealed class AgentRun(AgentCommand command, string marker, AgentLimits limits, Launcher? ready, TimeProvider clock)
{
    private const int MostNames = 20;   // program names in the outcome
    private const string EndOfTransmission = "\u0004";   // Ctrl-D, on a terminal
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(1);   // after the exit, for outputs that descendants still hold

    private readonly AgentTree _tree = new(marker, ready?.Cgroup);
    private readonly TaskCompletionSource<EndReason> _ordered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _forced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<TypedInput> _input = Channel.CreateUnbounded<TypedInput>();   // limited by InputFeed
    private readonly Lock _gate = new();
    private LimitWatch? _watch;                      // guarded by _gate, like the fields down to _pausing; null before the spawn and from the end on
    private DateTimeOffset? _resultAt;
    private bool _shallPause;
    private Task _pausing = Task.CompletedTask;      // pauses and resumes, one after the other
    private bool _isPaused;                          // used only by the _pausing chain, and by the end after it

    /// <summary>Called when the whole tree is paused, and when it continues.</summary>
    public Action<bool>? Paused { get; init; }

    /// <summary>Requests the end. The first reason counts; <paramref name="force"/> ends any grace period.</summary>
    public void End(EndReason reason, bool force)
    {
        _ordered.TrySetResult(reason);
        if (force)
            _forced.TrySetResult();
    }

    /// <summary>Queues input for the agent's stdin.</summary>
    public void Type(TypedInput input)
    {
        if (!_input.Writer.TryWrite(input))
            input.Done(false);
    }

    /// <summary>The agent has reported its result: if its type says so, it has limited time to end.</summary>
    public void GaveResult(DateTimeOffset at)
    {
        lock (_gate)
        {
            _resultAt = at;
            _watch?.GaveResult(at);
        }
    }

    /// <summary>Pauses or resumes all of its processes, as soon as it is spawned. Without effect from its end on.</summary>
    public void Pause(bool shallPause)
    {
        lock (_gate)
        {
            _shallPause = shallPause;
            if (_watch is { } watch)
                _pausing = _pausing.ContinueWith(_ => SetPaused(shallPause, watch), TaskScheduler.Default);
        }
    }

    /// <param name="mayBegin">The agent starts when this completes.</param>
    /// <param name="spawned">Called with the agent's pid when it starts.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    [SuppressMessage("Reliability", "CA2025", Justification = "The process is disposed of before the terminal, and waits for what writes to that")]
    public async Task<AgentExit> RunAsync(ReadOutput stdout, ReadOutput stderr, Task mayBegin, Action<int> spawned)
    {
        var outOfMemory = OutOfMemory.Kills;
        using var terminal = command.TerminalSize is { } size ? PseudoTerminal.Open(size) : null;
        LimitWatch? hearing = null;
        if (ready is null)
            await mayBegin;
        await using var launcher = ready ?? Launcher.StartDirectly(command);
        var process = launcher.Process;
        var (screen, begun) = (terminal?.Stream, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        launcher.Become(
            command with { Terminal = terminal?.Name },
            (stream, giveUp) => stdout(new ActivityStream(screen ?? stream, OnOutput), giveUp),
            (stream, giveUp) => stderr(new ActivityStream(stream, OnOutput), giveUp),
            begun.Task,
            stdin => WriteAsync(stdin, screen));
        _tree.Root = process.Pid;
        var isCalledOff = true;   // then the launcher ends by itself instead of becoming the agent
        try
        {
            await mayBegin;
            isCalledOff = _ordered.Task.IsCompleted;
        }
        finally
        {
            begun.SetResult(!isCalledOff);
        }
        using var watch = hearing = new LimitWatch(limits, _tree, command.Directory, reason => End(reason, force: false), clock);
        if (!isCalledOff)
            spawned(process.Pid);
        Watch(watch);

        await Task.WhenAny(process.Exited, _ordered.Task);
        _input.Writer.TryComplete();
        var reason = process.Exited.IsCompleted && !isCalledOff ? EndReason.ExitCode : await _ordered.Task;
        var (began, endAt) = (clock.GetTimestamp(), clock.GetUtcNow());
        var seen = reason == EndReason.ExitCode ? [] : _tree.Processes;   // for the outcome: the live processes when the end begins
        await EndPausesAsync();
        var (endedBy, killed) = process.Exited.IsCompleted ? default : await StopAsync(process, seen);

        // Outputs first, so that lines of short-lived children are not lost; then the remaining processes of the run.
        if (endedBy != AgentExit.Kill)
            await IsDoneIn(process.Completion, DrainLimit);
        var ended = _tree.End(wasEmpty: endedBy == AgentExit.Term).Union(seen).Count();
        var stopTime = clock.GetElapsedTime(began);
        if (!await IsDoneIn(process.Completion, DrainLimit))
            await launcher.GiveUpOutputsAsync();
        var exitCode = await process.Completion;
        if (reason == EndReason.ExitCode && exitCode == 128 + Posix.Kill && (launcher.Cgroup?.HasRunOutOfMemory == true || OutOfMemory.Kills > outOfMemory))
            reason = EndReason.MemoryLimit;
        return new AgentExit(reason, exitCode, Posix.SignalOf(exitCode), ended)
        {
            HasBegun = !isCalledOff,
            EndAt = endAt,
            EndedBy = endedBy,
            ProcessesKilled = killed,
            StopTime = endedBy is null ? null : stopTime,
        };

        void OnOutput() => hearing?.OnOutput();
    }

    /// <summary>Writes the initial stdin, then input that is sent to the agent, if its type takes input.</summary>
    /// <param name="keyboard">The input of its terminal, if it has one.</param>
    private async Task WriteAsync(Stream stdin, Stream? keyboard)
    {
        await stdin.WriteAsync(Encoding.UTF8.GetBytes(command.Stdin ?? ""));
        if (!command.TakesInput)
            return;
        await stdin.FlushAsync();
        var to = keyboard ?? stdin;
        var end = keyboard is null ? "" : EndOfTransmission;
        var isOpen = true;
        await foreach (var input in _input.Reader.ReadAllAsync())
        {
            try
            {
                if (isOpen)
                {
                    await to.WriteAsync(Encoding.UTF8.GetBytes((input.Text is null ? "" : input.Text + "\n") + (input.Closes ? end : "")));
                    await to.FlushAsync();
                }
                input.Done(isOpen);
            }
            catch (IOException)
            {
                input.Done(isOpen = false);   // the agent has closed its stdin or ended
            }
            if (input.Closes && isOpen)
            {
                isOpen = false;
                if (keyboard is null)
                    stdin.Close();
            }
        }
    }

    private void Watch(LimitWatch watch)
    {
        lock (_gate)
        {
            _watch = watch;
            if (_resultAt is { } at)
                watch.GaveResult(at);
            if (_shallPause)
                Pause(true);
        }
    }

    private Task EndPausesAsync()
    {
        lock (_gate)
        {
            _watch = null;
            return _pausing;
        }
    }

    private void SetPaused(bool shallPause, LimitWatch watch)
    {
        if (_isPaused == shallPause || _ordered.Task.IsCompleted)
            return;
        if (shallPause)
        {
            watch.Pause();
            _tree.Freeze();
        }
        else
        {
            _tree.Thaw();
            watch.Resume();
        }
        _isPaused = shallPause;
        Paused?.Invoke(shallPause);
    }

    /// <summary>Returns the signal that ended the run, and the names of programs that needed SIGKILL.</summary>
    private async Task<(string? EndedBy, IReadOnlyList<string>? Killed)> StopAsync(AgentProcess process, IReadOnlyCollection<int> seen)
    {
        if (limits.Grace > TimeSpan.Zero && !_forced.Task.IsCompleted
            && await new Termination(_tree, seen, limits.Grace, clock).RunAsync(process.Exited, _forced.Task, ThawPaused))
            return (AgentExit.Term, null);
        IReadOnlyList<string> killed = [.. _tree.Left.Select(Proc.NameOf).OfType<string>().Take(MostNames)];
        if (!process.Exited.IsCompleted)
            _tree.Signal(Posix.Kill);   // the whole process group; AgentTree.End kills what has left the group
        await process.Exited;
        return (AgentExit.Kill, killed.Count > 0 ? killed : null);
    }

    /// <summary>A paused agent continues only after it has SIGTERM, so that it sees the signal first.</summary>
    private void ThawPaused()
    {
        if (_isPaused)
            _tree.Thaw();
    }

    private async Task<bool> IsDoneIn(Task task, TimeSpan wait) => await Task.WhenAny(task, Task.Delay(wait, clock)) == task;
}

/// <param name="ProcessesEnded">How many processes the worker ended.</param>
internal sealed record AgentExit(EndReason Reason, int ExitCode, string? Signal, int ProcessesEnded)
{
    public const string Term = "TERM";
    public const string Kill = "KILL";

    /// <summary>False: its end was requested before its program started, so it never started.</summary>
    public bool HasBegun { get; init; } = true;

    /// <summary>When its end began: by itself, or by an order.</summary>
    public DateTimeOffset EndAt { get; init; }

    /// <summary>The signal that ended the last of its processes; null if it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Names of the programs that needed SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    /// <summary>From the order until all processes had ended.</summary>
    public TimeSpan? StopTime { get; init; }
}

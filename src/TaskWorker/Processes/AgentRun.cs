using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Threading.Channels;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// One run of an agent, from the spawn until nothing of it is left. Whatever asks first for its end decides the reason; after the exit
/// nothing does, and no signal is sent any more.
/// </summary>
internal sealed class AgentRun(AgentCommand command, string marker, AgentLimits limits, Launcher? ready, TimeProvider clock)
{
    private const int MostNames = 20;   // in a receipt
    private const string EndOfTransmission = "\u0004";   // Ctrl-D, on a terminal
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(1);   // after the exit, for outputs that a grandchild still holds

    private readonly AgentTree _tree = new(marker, ready?.Cgroup);
    private readonly TaskCompletionSource<EndReason> _ordered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _forced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<TypedInput> _input = Channel.CreateUnbounded<TypedInput>();   // the feed bounds it
    private readonly Lock _gate = new();
    private LimitWatch? _watch;                      // under the gate, as is all down to the pause; null before the spawn and from the end on
    private DateTimeOffset? _resultAt;
    private bool _shallPause;
    private Task _pausing = Task.CompletedTask;      // changes of it, one after the other
    private bool _isPaused;                          // of whoever runs as _pausing, and of the end after it

    /// <summary>Called when the whole tree has come to stand still, and when it goes on.</summary>
    public Action<bool>? Paused { get; init; }

    /// <summary>Asks for the end. The first reason counts; <paramref name="force"/> ends the grace of any.</summary>
    public void End(EndReason reason, bool force)
    {
        _ordered.TrySetResult(reason);
        if (force)
            _forced.TrySetResult();
    }

    /// <summary>Gives something to the agent's stdin, behind what came before.</summary>
    public void Type(TypedInput input)
    {
        if (!_input.Writer.TryWrite(input))
            input.Done(false);
    }

    /// <summary>The agent has given its result at that time: where its type says so, it has only so long to end.</summary>
    public void GaveResult(DateTimeOffset at)
    {
        lock (_gate)
        {
            _resultAt = at;
            _watch?.GaveResult(at);
        }
    }

    /// <summary>Lets all of it stand still, as soon as it is spawned, or go on. From the end on it does nothing.</summary>
    public void Pause(bool shallPause)
    {
        lock (_gate)
        {
            _shallPause = shallPause;
            if (_watch is { } watch)
                _pausing = _pausing.ContinueWith(_ => SetPaused(shallPause, watch), TaskScheduler.Default);
        }
    }

    /// <param name="mayBegin">What the agent waits for.</param>
    /// <param name="spawned">Told the agent's pid when it begins.</param>
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
        var isCalledOff = true;   // then the launcher, which was to become the agent, ends by itself
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
        var seen = reason == EndReason.ExitCode ? [] : _tree.Processes;   // for the receipt: what lives when the end begins
        await EndPausesAsync();
        var (endedBy, killed) = process.Exited.IsCompleted ? default : await StopAsync(process, seen);

        // Outputs first, so that lines of short-lived children are not cut; then whatever is left of the run.
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

    /// <summary>What the agent is given at its start, and then what is sent to it, where it takes that.</summary>
    /// <param name="keyboard">Of its terminal, where it has one.</param>
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
                input.Done(isOpen = false);   // it has closed its input, or has ended
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

    /// <summary>Answers the signal that it took, and the names of what needed SIGKILL.</summary>
    private async Task<(string? EndedBy, IReadOnlyList<string>? Killed)> StopAsync(AgentProcess process, IReadOnlyCollection<int> seen)
    {
        if (limits.Grace > TimeSpan.Zero && !_forced.Task.IsCompleted
            && await new Termination(_tree, seen, limits.Grace, clock).RunAsync(process.Exited, _forced.Task, ThawPaused))
            return (AgentExit.Term, null);
        IReadOnlyList<string> killed = [.. _tree.Left.Select(Proc.NameOf).OfType<string>().Take(MostNames)];
        if (!process.Exited.IsCompleted)
            _tree.Signal(Posix.Kill);   // all of it at once; what has left the group is ended in the sweep
        await process.Exited;
        return (AgentExit.Kill, killed.Count > 0 ? killed : null);
    }

    /// <summary>SIGTERM is the first that it sees.</summary>
    private void ThawPaused()
    {
        if (_isPaused)
            _tree.Thaw();
    }

    private async Task<bool> IsDoneIn(Task task, TimeSpan wait) => await Task.WhenAny(task, Task.Delay(wait, clock)) == task;
}

/// <param name="ProcessesEnded">How many processes were ended by us.</param>
internal sealed record AgentExit(EndReason Reason, int ExitCode, string? Signal, int ProcessesEnded)
{
    public const string Term = "TERM";
    public const string Kill = "KILL";

    /// <summary>False: its end was asked for before its program began, and so it never did.</summary>
    public bool HasBegun { get; init; } = true;

    /// <summary>When its end began: by itself, or by an order.</summary>
    public DateTimeOffset EndAt { get; init; }

    /// <summary>The signal it took to end all of the agent; null where it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Names of the programs that needed SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    /// <summary>From the order until nothing was left.</summary>
    public TimeSpan? StopTime { get; init; }
}

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// One run of an agent, from the spawn until nothing of it is left. Whatever asks first for its end decides the reason; after the exit
/// nothing does, and no signal is sent any more.
/// </summary>
internal sealed class AgentRun(AgentCommand command, string marker, AgentLimit limit, TimeSpan grace, TimeProvider clock)
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(1);   // after the exit, for outputs that a grandchild still holds

    private readonly TaskCompletionSource<EndReason> _ordered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _forced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Asks for the end. The first reason counts; <paramref name="force"/> ends the grace of any.</summary>
    public void End(EndReason reason, bool force)
    {
        _ordered.TrySetResult(reason);
        if (force)
            _forced.TrySetResult();
    }

    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public async Task<AgentExit> RunAsync(ReadOutput stdout, ReadOutput stderr, Action<int> spawned)
    {
        var outOfMemory = OutOfMemory.Kills;
        using var giveUpOutputs = new CancellationTokenSource();
        await using var process = AgentProcess.Start(command, stdout, stderr, giveUpOutputs.Token);
        spawned(process.Pid);

        using (clock.CreateTimer(_ => End(limit.Reason, force: false), null, limit.Time, Timeout.InfiniteTimeSpan))
            await Task.WhenAny(process.Exited, _ordered.Task);
        var reason = process.Exited.IsCompleted ? EndReason.ExitCode : await _ordered.Task;
        if (reason != EndReason.ExitCode)
            await StopAsync(process);

        // Outputs first, so that lines of short-lived children are not cut; then whatever is left of the run.
        await IsDoneIn(process.Completion, DrainLimit);
        var swept = RunMarker.Sweep(marker);
        if (!await IsDoneIn(process.Completion, DrainLimit))
            await giveUpOutputs.CancelAsync();
        var exitCode = await process.Completion;
        if (reason == EndReason.ExitCode && exitCode == 128 + Posix.Kill && OutOfMemory.Kills > outOfMemory)
            reason = EndReason.MemoryLimit;
        return new AgentExit(reason, exitCode, Posix.SignalOf(exitCode), swept + (reason == EndReason.ExitCode ? 0 : 1));
    }

    private async Task StopAsync(IAgentProcess process)
    {
        if (grace > TimeSpan.Zero && !_forced.Task.IsCompleted)
        {
            Signal(process, Posix.Term);
            await Task.WhenAny(process.Exited, _forced.Task, Task.Delay(grace, clock));
        }
        if (!process.Exited.IsCompleted)
            Signal(process, Posix.Kill);
        await process.Exited;
    }

    private static void Signal(IAgentProcess process, int signal)
    {
        if (AgentCommand.Setsid is null || !Posix.SignalGroup(process.Pid, signal))
            Posix.SignalProcess(process.Pid, signal);
    }

    private async Task<bool> IsDoneIn(Task task, TimeSpan wait) => await Task.WhenAny(task, Task.Delay(wait, clock)) == task;
}

/// <param name="ProcessesEnded">How many processes were ended by us.</param>
internal sealed record AgentExit(EndReason Reason, int ExitCode, string? Signal, int ProcessesEnded);

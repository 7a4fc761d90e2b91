namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// All processes of one run: those with its marker, wherever they are in the process tree, and those in its control group, if it has one, even with a
/// cleared environment.
/// </summary>
internal sealed class AgentTree(string marker, AgentCgroup? cgroup)
{
    /// <summary>The agent's pid, and so its process group, once it is spawned.</summary>
    public int Root { get; set; }

    /// <summary>The live processes. A process that was just spawned may not be in its control group yet, so the root is added.</summary>
    public IReadOnlyCollection<int> Processes => cgroup is null ? RunMarker.ProcessesOf(marker) : [.. cgroup.Processes.Append(Root).Distinct()];

    /// <summary>The same, once the agent is known to be in its control group. Processes that have left the group are looked up only when it is empty.</summary>
    public IReadOnlyCollection<int> Left => cgroup?.Processes is { Count: > 0 } inGroup ? inGroup : RunMarker.ProcessesOf(marker);

    public bool CountMoreThan(int? most) => most is not null && (cgroup?.IsAtProcessLimit == true || Processes.Count > most);

    /// <summary>Signals the agent and everything in its process group.</summary>
    public void Signal(int signal)
    {
        if (Launcher.Setsid is null || !Posix.SignalGroup(Root, signal))
            Posix.SignalProcess(Root, signal);
    }

    /// <summary>
    /// Signals one process, if its pid still belongs to this run. The root is a child of this worker, so its pid is not reused before the worker has
    /// reaped it.
    /// </summary>
    public void Signal(int pid, int signal)
    {
        if (pid == Root)
            Posix.SignalProcess(pid, signal);
        else
            Posix.SignalProcess(pid, signal, () => RunMarker.IsOf(pid, marker) || cgroup?.Processes.Contains(pid) == true);
    }

    /// <summary>Returns when all of it is stopped.</summary>
    public void Freeze()
    {
        if (cgroup is not null && cgroup.Freeze())
            return;
        Signal(Posix.Stop);
        RunMarker.StopAll(marker);
    }

    /// <summary>Everything continues; pending signals are delivered first.</summary>
    public void Thaw()
    {
        cgroup?.Thaw();
        Signal(Posix.Continue);
        RunMarker.ContinueAll(marker);
    }

    /// <summary>Ends all remaining processes, and returns them.</summary>
    /// <param name="wasEmpty">Whether the last look at <see cref="Left"/> found none.</param>
    public IReadOnlySet<int> End(bool wasEmpty)
    {
        var looks = wasEmpty ? 1 : 0;
        if (cgroup is null)
            return RunMarker.Sweep(marker, cleanPasses: 2 - looks);
        var ended = cgroup.End();
        return RunMarker.Sweep(marker, cleanPasses: 1 - looks).Union(ended).ToHashSet();   // processes that had left the group
    }
}

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// All processes of one run: those that bear its marker, wherever they have moved to, and those in its control group where it has one, also if they
/// have cleared their environment.
/// </summary>
internal sealed class AgentTree(string marker, AgentCgroup? cgroup)
{
    /// <summary>Of the agent itself, and so of its process group, once it is spawned.</summary>
    public int Root { get; set; }

    /// <summary>The processes that live now. One that was just spawned may not have come into its control group yet, and is the agent's all the same.</summary>
    public IReadOnlyCollection<int> Processes => cgroup is null ? RunMarker.ProcessesOf(marker) : [.. cgroup.Processes.Append(Root).Distinct()];

    /// <summary>The same once the agent is known to have come into its control group. What has moved out of that is found when nothing else is left.</summary>
    public IReadOnlyCollection<int> Left => cgroup?.Processes is { Count: > 0 } inGroup ? inGroup : RunMarker.ProcessesOf(marker);

    public bool CountMoreThan(int? most) => most is not null && (cgroup?.IsAtProcessLimit == true || Processes.Count > most);

    /// <summary>To the agent and to whatever has stayed in its process group.</summary>
    public void Signal(int signal)
    {
        if (Launcher.Setsid is null || !Posix.SignalGroup(Root, signal))
            Posix.SignalProcess(Root, signal);
    }

    /// <summary>
    /// To one process, if it is still the one that was seen. The root is a child of this worker, so its pid is nobody else's until that has seen it exit.
    /// </summary>
    public void Signal(int pid, int signal)
    {
        if (pid == Root)
            Posix.SignalProcess(pid, signal);
        else
            Posix.SignalProcess(pid, signal, () => RunMarker.IsOf(pid, marker) || cgroup?.Processes.Contains(pid) == true);
    }

    /// <summary>Comes back when all of it stands still.</summary>
    public void Freeze()
    {
        if (cgroup is not null && cgroup.Freeze())
            return;
        Signal(Posix.Stop);
        RunMarker.StopAll(marker);
    }

    /// <summary>Everything goes on, beginning with the signals that came meanwhile.</summary>
    public void Thaw()
    {
        cgroup?.Thaw();
        Signal(Posix.Continue);
        RunMarker.ContinueAll(marker);
    }

    /// <summary>Ends all of it that is left, and answers which processes that were.</summary>
    /// <param name="wasEmpty">Whether the last look at <see cref="Left"/> found nothing.</param>
    public IReadOnlySet<int> End(bool wasEmpty)
    {
        var looks = wasEmpty ? 1 : 0;
        if (cgroup is null)
            return RunMarker.Sweep(marker, cleanPasses: 2 - looks);
        var ended = cgroup.End();
        return RunMarker.Sweep(marker, cleanPasses: 1 - looks).Union(ended).ToHashSet();   // those that had moved out of it
    }
}

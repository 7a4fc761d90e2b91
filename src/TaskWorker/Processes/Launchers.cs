using System.Diagnostics.CodeAnalysis;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Has a launcher at hand for the next agent.</summary>
internal sealed class Launchers(Cgroups cgroups)
{
    private readonly Lock _gate = new();
    private Task<Launcher>? _next;

    /// <summary>To be called when there is time for it. Where it fails, whoever takes it learns why.</summary>
    public void Prepare()
    {
        if (!Launcher.IsPossible)
            return;
        lock (_gate)
            _next ??= Task.Run(Start);
    }

    /// <summary>Null: agents have to be started themselves here.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">There is none, and none can be started.</exception>
    public async Task<Launcher?> TakeAsync()
    {
        if (!Launcher.IsPossible)
            return null;
        Task<Launcher> taken;
        lock (_gate)
            (taken, _next) = (_next ?? Task.Run(Start), null);
        var launcher = await taken;
        if (!launcher.Process.Exited.IsCompleted)
            return launcher;
        await launcher.DiscardAsync();   // somebody has ended it meanwhile
        return Start();
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The group goes with its launcher")]
    private Launcher Start() => Launcher.Start(cgroups.New());
}

using System.Diagnostics.CodeAnalysis;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Keeps a launcher ready for the next agent.</summary>
internal sealed class Launchers(Cgroups cgroups)
{
    private readonly Lock _gate = new();
    private Task<Launcher>? _next;

    /// <summary>Call this when the worker has time. If it fails, the next <see cref="TakeAsync"/> throws the error.</summary>
    public void Prepare()
    {
        if (!Launcher.IsPossible)
            return;
        lock (_gate)
            _next ??= Task.Run(Start);
    }

    /// <summary>Null: agents are started directly here.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">No launcher can be started.</exception>
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
        await launcher.DiscardAsync();   // another process has ended it meanwhile
        return Start();
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The launcher disposes of its group")]
    private Launcher Start() => Launcher.Start(cgroups.New());
}

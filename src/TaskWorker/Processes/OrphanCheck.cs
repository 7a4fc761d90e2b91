using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// What an agent leaves behind is ended here, but its entry in the table of processes is for PID 1 to take out, whose child it has become. (A worker that is
/// PID 1 itself does that: the runtime sees to it.) Where PID 1 is some program that does not, this says so at the start. The worker cannot do it in its place:
/// a child that it takes from the runtime by mistake ends it.
/// </summary>
internal sealed partial class OrphanCheck(TimeProvider clock, ILogger<OrphanCheck> logger) : BackgroundService
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(200);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!OperatingSystem.IsLinux())
            return;
        await Task.Yield();
        using var parent = HelperShell.Start("taskworker-orphan", "sleep 0.1 >/dev/null & echo $!", [], hasOutput: true);
        var orphan = int.Parse(await parent.StandardOutput.ReadToEndAsync(stoppingToken), CultureInfo.InvariantCulture);
        var isZombie = false;
        for (var began = clock.GetTimestamp(); clock.GetElapsedTime(began) < MaxWait; await Task.Delay(LookInterval, stoppingToken))
        {
            if (ProcessIdentity.StatOf(orphan) is not [var state, ..])
                return;
            isZombie = state == "Z";
        }
        if (isZombie)
            LogZombies(logger, Proc.NameOf(1));
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "PID 1 ({Name}) does not reap: a process that an agent leaves behind stays in the table of processes as a zombie until that is full. "
            + "Start the container with an init (docker run --init, tini), or the worker as PID 1")]
    private static partial void LogZombies(ILogger logger, string? name);
}

using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// The worker ends processes that an agent leaves behind, but PID 1 must reap them, because it has become their parent. (A worker that is PID 1
/// itself does: the .NET runtime reaps.) This logs at the start if PID 1 does not reap. The worker cannot reap in its place: to take one of the
/// runtime's children by mistake would end the worker.
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
        Message = "PID 1 ({Name}) does not reap: processes that agents leave behind stay as zombies until the process table is full. "
            + "Start the container with an init (docker run --init, tini), or the worker as PID 1")]
    private static partial void LogZombies(ILogger logger, string? name);
}

using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Workspaces;

/// <summary>Removes expired artifacts, at the start and every hour. Several workers can do so in the same folder.</summary>
internal sealed partial class OldArtifacts(ArtifactStore store, WorkerWarnings warnings, TimeProvider clock, ILogger<OldArtifacts> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        using var timer = new PeriodicTimer(Interval, clock);
        do
        {
            try
            {
                warnings.NotDeleted(store.RemoveOld());
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                LogLeft(logger, exception.Message);   // another worker has removed it, or this one has no permission
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Some old artifacts were not removed, and are tried again next time: {Reason}")]
    private static partial void LogLeft(ILogger logger, string reason);
}

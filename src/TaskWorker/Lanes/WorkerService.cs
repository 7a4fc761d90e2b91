using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskWorker.Kafka;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>The worker's life: connects to Kafka, reads every STOP, then takes tasks. If a part of it fails, the process ends.</summary>
internal sealed partial class WorkerService(
    KafkaCluster cluster,
    TopicWatch topics,
    StopSignals stops,
    WorkerPresence fleet,
    IServiceProvider services,
    IHostApplicationLifetime lifetime,
    ILogger<WorkerService> logger) : BackgroundService
{
    [SuppressMessage("Design", "CA1031", Justification = "Any failure of the loop ends the process")]
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var over = new CancellationTokenSource();   // cancelled after stoppingToken: a task can still be stopped during the drain
        try
        {
            await cluster.ConnectAsync(stoppingToken);
            Task[] tails = [stops.Tail.RunAsync(over.Token), fleet.Tail.RunAsync(over.Token), topics.RunAsync(over.Token)];
            await Task.WhenAll(fleet.ArriveAsync(stoppingToken), stops.Tail.CaughtUp.WaitAsync(stoppingToken));
            using var loop = ActivatorUtilities.CreateInstance<WorkerLoop>(services);
            await OwnThread.Run(() => loop.Run(tails, stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopped before there was anything to run.
        }
        catch (TopicMismatchException exception)
        {
            LogUnusable(logger, exception.Message);
            End(ExitCodes.BadConfiguration);
        }
        catch (TopicsGoneException exception)
        {
            LogUnusable(logger, exception.Message);
            End(ExitCodes.Died);
        }
        catch (Exception exception)
        {
            // The log has what another worker needs to continue. A process whose state may be wrong must not continue.
            LogDied(logger, exception);
            End(ExitCodes.Died);
        }
        finally
        {
            await over.CancelAsync();
        }
    }

    private void End(int exitCode)
    {
        Environment.ExitCode = exitCode;
        lifetime.StopApplication();
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "The topics cannot be used: {Reason}")]
    private static partial void LogUnusable(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The worker has failed; another one continues from the log")]
    private static partial void LogDied(ILogger logger, Exception exception);
}

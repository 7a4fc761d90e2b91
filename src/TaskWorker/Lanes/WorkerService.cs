using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskWorker.Kafka;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>The life of the worker: Kafka is there, every STOP is known, tasks are taken. When a part of it dies, so does the process.</summary>
internal sealed partial class WorkerService(
    KafkaCluster cluster,
    TopicWatch topics,
    StopSignals stops,
    WorkerPresence fleet,
    IServiceProvider services,
    IHostApplicationLifetime lifetime,
    ILogger<WorkerService> logger) : BackgroundService
{
    [SuppressMessage("Design", "CA1031", Justification = "The edge of the loop: whatever it was, the process ends with it")]
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var over = new CancellationTokenSource();   // later than the stopping: while a task is waited for, it can still be stopped
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
            // Told to stop before there was anything to run.
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
            // The log has what is needed to go on, whoever goes on. A process whose picture of it may be wrong must not.
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

    [LoggerMessage(Level = LogLevel.Critical, Message = "The worker has died; another one goes on from the log")]
    private static partial void LogDied(ILogger logger, Exception exception);
}

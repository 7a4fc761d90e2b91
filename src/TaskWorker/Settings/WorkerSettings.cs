using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Settings;

internal static class WorkerSettings
{
    public static IServiceCollection AddWorkerOptions(this IServiceCollection services)
    {
        services.AddAnnotatedOptions<WorkerOptions>(WorkerOptions.Section);
        services.AddOptions<WorkerOptions>().Validate<IOptions<KafkaOptions>>(
            (worker, kafka) => worker.Keep >= kafka.Value.TaskRetention,
            "Worker:Keep must be at least Kafka:TaskRetention: a task that has ended and is read again would run again");
        return services;
    }
}

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
            "Worker:Keep must be at least Kafka:TaskRetention: otherwise an ended task whose record is read again would run again");
        return services;
    }
}

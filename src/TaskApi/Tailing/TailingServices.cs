using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Watching;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi.Tailing;

internal static class TailingServices
{
    public static IServiceCollection AddTailing(this IServiceCollection services)
    {
        services.AddKafkaCluster();
        services.AddSingleton<TailingMetrics>();
        services.AddSingleton<StateFeed>();
        services.AddSingleton<LogMemory>();
        services.AddSingleton<LogReader>();
        services.AddSingleton<TaskTable>();
        services.AddSingleton<WorkerTable>();
        services.AddSingleton<TaskFinder>();
        services.AddSingleton<KafkaTails>();
        services.AddHostedService(provider => provider.GetRequiredService<KafkaTails>());
        return services;
    }
}

using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi.Tailing;

internal static class TailingServices
{
    public static IServiceCollection AddTailing(this IServiceCollection services)
    {
        services.AddKafkaCluster();
        services.AddSingleton<TailingMetrics>();
        services.AddSingleton<StateFeed>();
        services.AddSingleton<TaskTable>();
        services.AddSingleton<TaskFinder>();
        services.AddSingleton<KafkaTails>();
        services.AddHostedService(provider => provider.GetRequiredService<KafkaTails>());
        return services;
    }
}

using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

internal static class ReadModelFeature
{
    public static IServiceCollection AddReadModel(this IServiceCollection services)
    {
        services.AddKafkaCluster();
        services.AddSingleton<RecordWriter>();
        services.AddHostedService(provider => provider.GetRequiredService<RecordWriter>());
        services.AddSingleton<SkippedRecords>();
        services.AddSingleton<LogMemory>();
        services.AddSingleton<LogReader>();
        services.AddSingleton<StateFeed>();
        services.AddSingleton<Changes>();
        services.AddSingleton<ReplicaDelay>();
        services.AddSingleton<Schedule>();
        services.AddSingleton<DeadLetterTable>();
        services.AddSingleton<WorkerTable>();
        services.AddSingleton<TaskTable>();
        services.AddSingleton<TaskFinder>();
        services.AddSingleton<KafkaTails>();
        services.AddHostedService(provider => provider.GetRequiredService<KafkaTails>());
        return services;
    }

    /// <summary>Routes that answer once everything in Kafka has been read; before that, 503 with the reason.</summary>
    public static RouteGroupBuilder MapWhenReady(this IEndpointRouteBuilder routes, string prefix, string tag) =>
        routes.MapGroup(prefix).WithTags(tag).AddEndpointFilter(async (context, next) =>
            context.HttpContext.RequestServices.GetRequiredService<KafkaTails>().NotReadyBecause is { } reason ? Problem.NotReady(reason)
                : await next(context));

    public static RouteGroupBuilder MapTaskGroup(this IEndpointRouteBuilder routes) => routes.MapWhenReady("/tasks", "Tasks");
}

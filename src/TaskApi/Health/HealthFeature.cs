using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Health;

internal static class HealthFeature
{
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/healthz", HealthEndpoints.Health).WithTags("Health").WithSummary("Whether this process works").Produces<HealthAnswer>()
            .Problems(503);
        routes.MapGet("/readyz", HealthEndpoints.Ready).WithTags("Health").WithSummary("Whether this replica has read everything in Kafka")
            .Produces<ReadyAnswer>().Problems(503);
    }
}

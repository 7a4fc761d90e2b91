using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Workers;

internal static class WorkersFeature
{
    public static void MapWorkers(this IEndpointRouteBuilder routes)
    {
        var workers = routes.MapWhenReady("", "Workers");
        workers.MapGet("/workers", WorkerEndpoints.Workers).WithSummary("List the workers and their tasks")
            .WithDescription("A worker without a heartbeat for more than 30 s is lost; after 10 min it is no longer listed.")
            .Produces<WorkerList>().Problems(503);
        workers.MapGet("/queue", WorkerEndpoints.Queue).WithSummary("List the lanes with their tasks and owners").Produces<QueueView>().Problems(503);
    }
}

using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Workers;

internal static class WorkersFeature
{
    public static void MapWorkers(this IEndpointRouteBuilder routes)
    {
        var workers = routes.MapWhenReady("", "Workers");
        workers.MapGet("/workers", WorkerEndpoints.Workers).WithSummary("The workers, and what each is doing")
            .WithDescription("A worker that has been silent for more than 30 s is lost, and left out after 10 min.")
            .Produces<WorkerList>().Problems(503);
        workers.MapGet("/queue", WorkerEndpoints.Queue).WithSummary("What waits in each lane, and who owns it").Produces<QueueView>().Problems(503);
    }
}

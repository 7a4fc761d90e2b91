using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Emitting;

internal static class EmittingFeature
{
    public static void MapEmitting(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/emit", EmitEndpoint.PostAsync).WithSummary("Add your own event to a task's timeline")
            .WithDescription(
                "Each watcher receives it exactly once, among the lines. 202: it is stored. 409: the task has already ended.")
            .TakesIdempotencyKey()
            .Accepts<EmitEvent>("application/json")
            .Produces<EmitAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 413, 415, 503);
}

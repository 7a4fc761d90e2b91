using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Emitting;

internal static class EmittingFeature
{
    public static void MapEmitting(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/emit", EmitEndpoint.PostAsync).WithSummary("Put an event of your own into a task's timeline")
            .WithDescription(
                "Watchers are sent it among the lines, each exactly once. 202 means that it is there for good; 409, that the task had ended before.")
            .TakesIdempotencyKey()
            .Accepts<EmitEvent>("application/json")
            .Produces<EmitAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 413, 415, 503);
}

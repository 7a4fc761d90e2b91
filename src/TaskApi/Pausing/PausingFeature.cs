using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Pausing;

internal static class PausingFeature
{
    public static IServiceCollection AddPausing(this IServiceCollection services) => services.AddSingleton<PauseRequests>();

    public static void MapPausing(this IEndpointRouteBuilder tasks)
    {
        tasks.MapPost("/{id}/pause", PauseEndpoint.PauseAsync).WithSummary("Pause a running task")
            .WithDescription(
                "Freezes its agent with all child processes. Limits of time and silence stop meanwhile; a deadline does not. The state event "
                + "paused reports when it has happened. Repeating it is harmless.")
            .TakesIdempotencyKey()
            .Produces<PauseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
        tasks.MapPost("/{id}/resume", PauseEndpoint.ResumeAsync).WithSummary("Resume a paused task")
            .WithDescription("The state event running reports when it has happened. Repeating it is harmless.")
            .TakesIdempotencyKey()
            .Produces<PauseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
    }
}

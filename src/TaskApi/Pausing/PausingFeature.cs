using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Pausing;

internal static class PausingFeature
{
    public static IServiceCollection AddPausing(this IServiceCollection services) => services.AddSingleton<PauseRequests>();

    public static void MapPausing(this IEndpointRouteBuilder tasks)
    {
        tasks.MapPost("/{id}/pause", PauseEndpoint.PauseAsync).WithSummary("Pause a running task")
            .WithDescription(
                "Its agent and all that it has started are frozen; limits of time and silence do not run meanwhile, a deadline does. The state event "
                + "paused says when it has happened. Asking twice is harmless.")
            .TakesIdempotencyKey()
            .Produces<PauseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
        tasks.MapPost("/{id}/resume", PauseEndpoint.ResumeAsync).WithSummary("Resume a paused task")
            .WithDescription("The state event running says when it has happened. Asking twice is harmless.")
            .TakesIdempotencyKey()
            .Produces<PauseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
    }
}

using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Stopping;

internal static class StoppingFeature
{
    public static IServiceCollection AddStopping(this IServiceCollection services) => services.AddSingleton<StopRequests>();

    public static void MapStopping(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/stop", StopEndpoint.PostAsync).WithSummary("Stop a task")
            .WithDescription("Answers as soon as Kafka has the request. Repeating it is harmless; 409 says how the task has already ended.")
            .TakesIdempotencyKey()
            .Accepts<StopTask>(isOptional: true, "application/json")
            .Produces<StopAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 415, 503);
}

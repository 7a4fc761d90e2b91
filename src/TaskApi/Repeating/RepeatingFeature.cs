using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.Repeating;

internal static class RepeatingFeature
{
    public static IServiceCollection AddRepeating(this IServiceCollection services) => services.AddSingleton<TaskRepeater>();

    public static void MapRepeating(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/replay", ReplayEndpoint.PostAsync).WithSummary("Run an ended task again, as a new one")
            .WithDescription("With the same params or others. The new task has replay_of, the old one lists it under replays; nothing else of it changes.")
            .TakesIdempotencyKey()
            .Accepts<RepeatTask>(isOptional: true, "application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>().Problems(400, 404, 409, 415, 503);
}

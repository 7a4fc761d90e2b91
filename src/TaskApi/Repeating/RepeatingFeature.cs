using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.Repeating;

internal static class RepeatingFeature
{
    public static IServiceCollection AddRepeating(this IServiceCollection services) => services.AddSingleton<TaskRepeater>();

    public static void MapRepeating(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/replay", ReplayEndpoint.PostAsync).WithSummary("Run an ended task again as a new task")
            .WithDescription("With the same params or new ones. The new task has replay_of; the old task lists it under replays and is otherwise unchanged.")
            .TakesIdempotencyKey()
            .Accepts<RepeatTask>(isOptional: true, "application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>().Problems(400, 404, 409, 415, 503);
}

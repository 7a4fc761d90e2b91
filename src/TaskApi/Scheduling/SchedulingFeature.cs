using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Scheduling;

internal static class SchedulingFeature
{
    public static IServiceCollection AddScheduling(this IServiceCollection services) =>
        services.AddHostedService<Scheduler>().AddHostedService<RetentionRenewal>();

    public static void MapScheduling(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/release", ReleaseEndpoint.PostAsync).WithSummary("Release a waiting task to its queue at once")
            .WithDescription("For a held task, which waits for a person, or a scheduled or retry_waiting task before its time. Repeating it is harmless.")
            .Produces<ReleaseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
}

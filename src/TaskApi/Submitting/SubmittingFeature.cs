using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Submitting;

internal static class SubmittingFeature
{
    public static IServiceCollection AddSubmitting(this IServiceCollection services) => services.AddSingleton<Submissions>();

    public static void MapSubmitting(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/", SubmitEndpoint.PostAsync).WithSummary("Submit a task")
            .WithDescription(
                "Answers as soon as Kafka has the task, now or for later (delay, run_at). With an Idempotency-Key, or with a task_id of your own, the "
                + "call can be repeated safely: the same body again is the same task.")
            .TakesIdempotencyKey()
            .Accepts<SubmitTask>("application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>()
            .Problems(400, 409, 413, 415, 503);
}

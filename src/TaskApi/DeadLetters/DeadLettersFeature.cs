using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Repeating;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.DeadLetters;

internal static class DeadLettersFeature
{
    public static IServiceCollection AddDeadLetters(this IServiceCollection services) =>
        services.AddSingleton<Redriver>().AddSingleton<BulkRedrives>().AddHostedService(provider => provider.GetRequiredService<BulkRedrives>());

    public static void MapDeadLetters(this IEndpointRouteBuilder routes)
    {
        var letters = routes.MapWhenReady("/dead-letters", "Dead letters");
        letters.MapGet("/", DeadLetterEndpoints.List).WithSummary("List dead letters, newest first")
            .WithDescription(
                "Unresolved ones by default; resolved=true lists the resolved, resolved=all both. Filters: project, type, class and reason. Send a "
                + "page's next as after to get the next page.")
            .Produces<DeadLetterPage>().Problems(400, 503);
        letters.MapGet("/{id}", DeadLetterEndpoints.Get).WithSummary("Everything known about a dead letter")
            .Produces<DeadLetterDetail>().Problems(404, 503);
        letters.MapPost("/{id}/redrive", DeadLetterEndpoints.RedriveAsync).WithSummary("Submit a new task in place of a dead one")
            .WithDescription(
                "With the same params or new ones. 200: the latest redrive has not ended and is returned. The new task has redrive_of; the dead task "
                + "never changes.")
            .TakesIdempotencyKey()
            .Accepts<RepeatTask>(isOptional: true, "application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>().Problems(400, 404, 409, 415, 503);
        letters.MapPost("/redrive", DeadLetterEndpoints.RedriveManyAsync).WithSummary("Redrive many dead letters at a limited rate")
            .WithDescription("Takes the unresolved ones and continues in the background. After a crash, the same call takes those that are still unresolved.")
            .TakesIdempotencyKey()
            .Accepts<RedriveTasks>(isOptional: true, "application/json")
            .Produces<RedriveAnswer>(StatusCodes.Status202Accepted).Problems(400, 409, 415, 503);
        letters.MapGet("/redrives/{id}", DeadLetterEndpoints.Progress).WithSummary("Progress of a bulk redrive")
            .WithDescription("Only the replica that took the call knows it, until that replica ends.")
            .Produces<RedriveProgress>().Problems(404, 503);
        letters.MapPost("/{id}/discard", DeadLetterEndpoints.DiscardAsync).WithSummary("Discard a dead letter")
            .WithDescription("Repeating it is harmless. From then on it is listed with resolved=true, and can still be redriven.")
            .Produces<DiscardAnswer>(StatusCodes.Status202Accepted).Problems(404, 409, 503);
    }
}

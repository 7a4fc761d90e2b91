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
                "Those that are not resolved; resolved=true lists the others, resolved=all both. Filters by project, type, class and reason; give a "
                + "page's next as after for the page that follows.")
            .Produces<DeadLetterPage>().Problems(400, 503);
        letters.MapGet("/{id}", DeadLetterEndpoints.Get).WithSummary("Everything known of a dead letter")
            .Produces<DeadLetterDetail>().Problems(404, 503);
        letters.MapPost("/{id}/redrive", DeadLetterEndpoints.RedriveAsync).WithSummary("Submit a new task in the place of a dead one")
            .WithDescription(
                "With the same params or others. 200: its latest redrive has not ended yet, and is this one. The new task has redrive_of; the dead one "
                + "never changes.")
            .TakesIdempotencyKey()
            .Accepts<RepeatTask>(isOptional: true, "application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>().Problems(400, 404, 409, 415, 503);
        letters.MapPost("/redrive", DeadLetterEndpoints.RedriveManyAsync).WithSummary("Redrive many, at a bounded rate")
            .WithDescription("Takes those that are not resolved and goes on in the background. Sent again after a crash it takes what is still left.")
            .TakesIdempotencyKey()
            .Accepts<RedriveTasks>(isOptional: true, "application/json")
            .Produces<RedriveAnswer>(StatusCodes.Status202Accepted).Problems(400, 409, 415, 503);
        letters.MapGet("/redrives/{id}", DeadLetterEndpoints.Progress).WithSummary("How far a redrive of many has come")
            .WithDescription("Known to the replica that was asked for it, until it ends.")
            .Produces<RedriveProgress>().Problems(404, 503);
        letters.MapPost("/{id}/discard", DeadLetterEndpoints.DiscardAsync).WithSummary("Put a dead letter aside")
            .WithDescription("Asking twice is harmless. It is listed with resolved=true from then on, and can still be redriven.")
            .Produces<DiscardAnswer>(StatusCodes.Status202Accepted).Problems(404, 409, 503);
    }
}

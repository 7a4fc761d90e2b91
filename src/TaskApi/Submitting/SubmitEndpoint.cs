using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Submitting;

internal static class SubmitEndpoint
{
    public static async Task<IResult> PostAsync(
        HttpRequest request, Submissions submissions, CatalogueFile catalogue, IOptions<KafkaOptions> kafka, TimeProvider clock)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (submission, hasOwnId, problem) = await SubmissionReader.ReadAsync(request, catalogue.Current, clock.GetUtcNow(), kafka.Value.TaskRetention);
        if (problem is not null)
            return problem;
        if (key is null)
            return hasOwnId
                ? await submissions.SubmitOnceAsync(submission!, AnotherContent(submission!.TaskId), request.HttpContext.RequestAborted)
                : await submissions.SubmitNewAsync(submission!);
        if (hasOwnId)
            return Problem.Invalid("task_id", $"must be left out with an {IdempotencyKey.Header}: either of them makes the call repeatable");
        submission = submission! with { TaskId = DerivedId.Of(submission.Project, "submit", key) };
        return await submissions.SubmitOnceAsync(submission, IdempotencyKey.UsedOtherwise(key), request.HttpContext.RequestAborted);
    }

    private static Problem AnotherContent(string taskId) =>
        new(StatusCodes.Status409Conflict, $"Task '{taskId}' exists with other content; choose another task_id or send the same body");
}

using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Tailing;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi.Health;

/// <param name="SkippedRecords">Records of Kafka that could not be used since the start.</param>
public sealed record HealthAnswer(string Status, long SkippedRecords);

/// <param name="Status"><c>ready</c>; until then the answer is 503 and says what is missing.</param>
/// <param name="Warnings">What a person should know: Kafka does not answer, topics have other settings than they are meant to have, a record was set aside, or what a worker says.</param>
public sealed record ReadyAnswer(string Status, IReadOnlyList<string>? Warnings = null);

internal static class HealthEndpoints
{
    public static IResult Health(KafkaTails tails, TailingMetrics metrics) =>
        tails.Failure is { } failure
            ? new Problem(StatusCodes.Status503ServiceUnavailable, failure) { RetryAfter = TimeSpan.FromSeconds(5) }
            : TypedResults.Ok(new HealthAnswer("healthy", metrics.SkippedRecords));

    public static IResult Ready(KafkaTails tails, TopicWatch topics, WorkerTable workers, TimeProvider clock)
    {
        if ((tails.Failure ?? tails.NotReadyBecause) is { } reason)
            return Problem.NotReady(reason);
        List<string> warnings = [.. topics.Warnings, .. tails.Warnings, .. WorkerEndpoints.Warnings(workers, clock)];
        return TypedResults.Ok(new ReadyAnswer("ready", warnings.Count > 0 ? warnings : null));
    }
}

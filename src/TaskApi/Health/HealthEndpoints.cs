using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Health;

/// <param name="SkippedRecords">Records of Kafka that could not be used since the start.</param>
public sealed record HealthAnswer(string Status, long SkippedRecords);

/// <param name="Status"><c>ready</c>; until then the answer is 503 and says what is missing.</param>
/// <param name="Warnings">What a person should know: Kafka does not answer, or topics have other settings than they are meant to have.</param>
public sealed record ReadyAnswer(string Status, IReadOnlyList<string>? Warnings = null);

internal static class HealthEndpoints
{
    public static IResult Health(KafkaTails tails, TailingMetrics metrics) =>
        tails.Failure is { } failure
            ? new Problem(StatusCodes.Status503ServiceUnavailable, failure) { RetryAfter = TimeSpan.FromSeconds(5) }
            : TypedResults.Ok(new HealthAnswer("healthy", metrics.SkippedRecords));

    public static IResult Ready(KafkaTails tails, TopicWatch topics) =>
        (tails.Failure ?? tails.NotReadyBecause) is { } reason ? Problem.NotReady(reason) : TypedResults.Ok(new ReadyAnswer("ready", topics.Warnings is { Count: > 0 } warnings ? warnings : null));
}

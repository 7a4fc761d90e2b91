using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Health;

/// <param name="SkippedRecords">Records of Kafka that could not be used since the start.</param>
public sealed record HealthAnswer(string Status, long SkippedRecords);

/// <param name="Status"><c>ready</c>; until then the answer is 503 and says what is missing.</param>
public sealed record ReadyAnswer(string Status);

internal static class HealthEndpoints
{
    public static IResult Health(KafkaTails tails, TailingMetrics metrics) =>
        tails.Failure is { } failure
            ? new Problem(StatusCodes.Status503ServiceUnavailable, failure) { RetryAfter = TimeSpan.FromSeconds(5) }
            : TypedResults.Ok(new HealthAnswer("healthy", metrics.SkippedRecords));

    public static IResult Ready(KafkaTails tails) =>
        tails.NotReadyBecause is { } reason ? Problem.NotReady(reason) : TypedResults.Ok(new ReadyAnswer("ready"));
}

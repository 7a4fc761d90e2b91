using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi.Health;

/// <param name="SkippedRecords">Records of Kafka that could not be used since the start.</param>
public sealed record HealthAnswer(string Status, long SkippedRecords);

/// <param name="Status"><c>ready</c>; until then the answer is 503 and says what is missing.</param>
/// <param name="Warnings">
/// What a person should know: Kafka does not answer, topics have other settings than they are meant to have, a record was set aside, a clock is
/// wrong, or what a worker says.
/// </param>
public sealed record ReadyAnswer(string Status, IReadOnlyList<string>? Warnings = null);

internal static class HealthEndpoints
{
    public static IResult Health(KafkaTails tails, SkippedRecords skipped) =>
        tails.Failure is { } failure
            ? new Problem(StatusCodes.Status503ServiceUnavailable, failure) { RetryAfter = TimeSpan.FromSeconds(5) }
            : TypedResults.Ok(new HealthAnswer("healthy", skipped.Total));

    public static IResult Ready(KafkaTails tails, TopicWatch topics, BrokerClock clock, WorkerTable workers)
    {
        if ((tails.Failure ?? tails.NotReadyBecause) is { } reason)
            return Problem.NotReady(reason);
        var wrongClocks = workers.Since(clock.GetUtcNow() - WorkerEndpoints.LostAfter).Where(worker => worker.ClockAhead is not null)
            .Select(worker => $"the clock of {worker.Host}, where worker {worker.Worker} is, is "
                + $"{BrokerClock.Describe(TimeSpan.FromSeconds(worker.ClockAhead!.Value))} Kafka's: set it right");
        List<string> warnings = [.. topics.Warnings, .. tails.Warnings, .. clock.Warning is { } own ? [own] : Array.Empty<string>(
            ), .. wrongClocks, .. WorkerEndpoints.Warnings(workers, clock)];
        return TypedResults.Ok(new ReadyAnswer("ready", warnings.Count > 0 ? warnings : null));
    }
}

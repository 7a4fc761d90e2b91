using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi.Health;

/// <param name="SkippedRecords">How many Kafka records could not be used since the start.</param>
public sealed record HealthAnswer(string Status, long SkippedRecords);

/// <param name="Status"><c>ready</c>; before that the answer is 503 with the reason.</param>
/// <param name="Warnings">
/// Problems for a person: Kafka does not answer, topics have unexpected settings, a record was set aside, a clock is wrong, or a worker's own warnings.
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
                + $"{BrokerClock.Describe(TimeSpan.FromSeconds(worker.ClockAhead!.Value))} Kafka's: correct it");
        string[] ownClock = clock.Warning is { } own ? [own] : [];
        List<string> warnings = [.. topics.Warnings, .. tails.Warnings, .. ownClock, .. wrongClocks, .. WorkerEndpoints.Warnings(workers, clock)];
        return TypedResults.Ok(new ReadyAnswer("ready", warnings.Count > 0 ? warnings : null));
    }
}

using System.ComponentModel;
using System.Text.Json.Serialization;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>The body of <c>POST /dead-letters/redrive</c>: which ones, of those that are not resolved. Without a filter it is all of them.</summary>
public sealed record RedriveTasks
{
    public string? Project { get; init; }
    public string? Type { get; init; }

    [Description("Whose failure it was.")]
    public FailureClass? Class { get; init; }

    [Description("How the task ended.")]
    public EndReason? Reason { get; init; }

    [Description("How many per second at most, above 0 up to 1000.")]
    public double Rate { get; init; } = DefaultRate;

    [Description("How many at most, those that have waited longest.")]
    public int? Limit { get; init; }

    internal const double DefaultRate = 10;
}

/// <summary>The answer to it.</summary>
/// <param name="Taken">How many dead letters are being redriven.</param>
/// <param name="Progress">Where to see how far it has come, at the replica that was asked.</param>
public sealed record RedriveAnswer(string Id, int Taken, string Progress);

/// <summary>How far a redrive of many has come.</summary>
/// <param name="Skipped">Those that somebody else has resolved meanwhile.</param>
/// <param name="Errors">
/// Why some failed: the first hundred reasons, each once. A single redrive, <c>POST /dead-letters/{id}/redrive</c>, takes other params.
/// </param>
public sealed record RedriveProgress(
    string Id, RedriveStatus Status, double Rate, int Taken, int Redriven, int Skipped, int Failed, IReadOnlyList<RedriveError> Errors,
        DateTimeOffset StartedAt, DateTimeOffset? FinishedAt);

/// <param name="Id">The first dead letter that failed so.</param>
/// <param name="Count">How many did.</param>
/// <param name="Ids">The first ten of them.</param>
public sealed record RedriveError(string Id, string Detail, int Count, IReadOnlyList<string> Ids);

[JsonConverter(typeof(SnakeCaseEnum<RedriveStatus>))]
public enum RedriveStatus
{
    Running,
    Finished,
}

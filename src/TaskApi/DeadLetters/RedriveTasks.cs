using System.ComponentModel;
using System.Text.Json.Serialization;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>The body of <c>POST /dead-letters/redrive</c>: filters of the unresolved dead letters. Without a filter all of them are taken.</summary>
public sealed record RedriveTasks
{
    public string? Project { get; init; }
    public string? Type { get; init; }

    [Description("Only failures of this class.")]
    public FailureClass? Class { get; init; }

    [Description("Only tasks that ended for this reason.")]
    public EndReason? Reason { get; init; }

    [Description("Most redrives per second, 0.001 to 1000.")]
    public double Rate { get; init; } = DefaultRate;

    [Description("Take at most so many, the oldest first.")]
    public int? Limit { get; init; }

    internal const double DefaultRate = 10;
}

/// <summary>The answer to a bulk redrive.</summary>
/// <param name="Taken">How many dead letters are being redriven.</param>
/// <param name="Progress">Path of the progress, known only to the replica that took the call.</param>
public sealed record RedriveAnswer(string Id, int Taken, string Progress);

/// <summary>Progress of a bulk redrive.</summary>
/// <param name="Skipped">Dead letters that another request resolved first.</param>
/// <param name="Errors">
/// The first hundred different reasons for failures. <c>POST /dead-letters/{id}/redrive</c> redrives a single one with other params.
/// </param>
public sealed record RedriveProgress(
    string Id, RedriveStatus Status, double Rate, int Taken, int Redriven, int Skipped, int Failed, IReadOnlyList<RedriveError> Errors,
        DateTimeOffset StartedAt, DateTimeOffset? FinishedAt);

/// <param name="Id">The first dead letter that failed for this reason.</param>
/// <param name="Count">How many failed for it.</param>
/// <param name="Ids">The first ten of them.</param>
public sealed record RedriveError(string Id, string Detail, int Count, IReadOnlyList<string> Ids);

[JsonConverter(typeof(SnakeCaseEnum<RedriveStatus>))]
public enum RedriveStatus
{
    Running,
    Finished,
}

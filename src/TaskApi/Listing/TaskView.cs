using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Submitting;
using TaskPipeline.TaskApi.Tailing;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>A task as lists show it.</summary>
public sealed record TaskSummary
{
    public required string TaskId { get; init; }
    public required string Project { get; init; }
    public required string Type { get; init; }
    public string? Command { get; init; }
    public required Status Status { get; init; }

    /// <summary>Why it ended as it did.</summary>
    public EndReason? Reason { get; init; }

    public int? ExitCode { get; init; }

    /// <summary>The latest attempt; 0 before the first one.</summary>
    public required int Attempt { get; init; }

    public string? Worker { get; init; }

    /// <summary>Lines of output of the latest attempt.</summary>
    public required long Lines { get; init; }

    public required DateTimeOffset SubmittedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Only under the table's lock.</summary>
    internal static TaskSummary Of(TrackedTask tracked)
    {
        var end = tracked.HasEnded ? tracked.Committed : null;
        var attempts = tracked.Attempts;
        return new TaskSummary
        {
            TaskId = tracked.TaskId,
            Project = tracked.Submission!.Project,
            Type = tracked.Submission.Type,
            Command = tracked.Submission.Command,
            Status = tracked.Status,
            Reason = end?.Reason,
            ExitCode = end?.ExitCode,
            Attempt = tracked.Attempt,
            Worker = tracked.Worker,
            Lines = end is null ? tracked.Log.Latest.Seq : end.Deciding()?.Lines ?? 0,
            SubmittedAt = tracked.SubmittedAt,
            StartedAt = attempts is [var first, ..] ? first.StartedAt : null,
            EndedAt = end?.At,
            Labels = tracked.Submission.Labels,
        };
    }
}

/// <summary>A page of tasks, newest first.</summary>
/// <param name="Next">Give it as <c>after</c> for the next page; where it is missing there is none.</param>
public sealed record TaskPage(IReadOnlyList<TaskSummary> Tasks, string? Next = null);

/// <summary>Everything that is known of one task, but its output.</summary>
public sealed record TaskDetail
{
    public required string TaskId { get; init; }
    public required string Project { get; init; }
    public required string Type { get; init; }
    public string? Command { get; init; }
    public required IReadOnlyDictionary<string, JsonElement> Params { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public required Status Status { get; init; }

    /// <summary>Why it ended as it did.</summary>
    public EndReason? Reason { get; init; }

    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended the agent.</summary>
    public string? Signal { get; init; }

    /// <summary>What a person needs to know of a failure.</summary>
    public string? Error { get; init; }

    /// <summary>It failed for good and lies in the dead letters.</summary>
    public bool DeadLettered { get; init; }

    /// <summary>How many tasks of its lane come before it; null once it has begun.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>The latest attempt; 0 before the first one.</summary>
    public required int Attempt { get; init; }

    public string? Worker { get; init; }

    /// <summary>Lines of output of the latest attempt.</summary>
    public required long Lines { get; init; }

    public required DateTimeOffset SubmittedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    public required IReadOnlyList<AttemptView> Attempts { get; init; }

    /// <summary>The ended task that this one repeats.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>The dead letter in whose place this task goes on.</summary>
    public string? RedriveOf { get; init; }

    /// <summary>The tasks that repeat this one.</summary>
    public IReadOnlyList<string>? Replays { get; init; }

    /// <summary>The request to stop, where there was one.</summary>
    public StopView? Stop { get; init; }

    /// <summary>Partition of its records in Kafka, and the offset of its submission.</summary>
    public required int Lane { get; init; }
    public required long Offset { get; init; }

    public required TaskLinks Links { get; init; }

    /// <summary>Only under the table's lock.</summary>
    internal static TaskDetail Of(TrackedTask tracked)
    {
        var summary = TaskSummary.Of(tracked);
        var end = tracked.HasEnded ? tracked.Committed : null;
        return new TaskDetail
        {
            TaskId = summary.TaskId,
            Project = summary.Project,
            Type = summary.Type,
            Command = summary.Command,
            Params = tracked.Submission!.Params,
            ReplayOf = tracked.Submission.ReplayOf,
            RedriveOf = tracked.Submission.RedriveOf,
            Replays = tracked.Replays.Count > 0 ? tracked.Replays : null,
            Labels = summary.Labels,
            Status = summary.Status,
            Reason = summary.Reason,
            ExitCode = summary.ExitCode,
            Signal = end?.Signal,
            Error = end?.Error,
            DeadLettered = end?.DeadLettered ?? false,
            Attempt = summary.Attempt,
            Worker = summary.Worker,
            Lines = summary.Lines,
            SubmittedAt = summary.SubmittedAt,
            StartedAt = summary.StartedAt,
            EndedAt = summary.EndedAt,
            Attempts = [.. tracked.Attempts.Select(AttemptView.Of)],
            Stop = tracked.Stop is { } stop ? new StopView(stop.Force, stop.RequestedBy, stop.Reason, stop.At) : null,
            Lane = tracked.Lane,
            Offset = tracked.Offset,
            Links = TaskLinks.Of(tracked.TaskId, tracked.Lane, tracked.Offset),
        };
    }
}

/// <summary>One run of the agent. Without an end it is still going on.</summary>
public sealed record AttemptView(int Attempt, string Worker, DateTimeOffset StartedAt)
{
    public DateTimeOffset? EndedAt { get; init; }
    public EndReason? Reason { get; init; }
    public int? ExitCode { get; init; }
    public string? Signal { get; init; }
    public string? Error { get; init; }
    public long? Lines { get; init; }

    /// <summary>SHA-256 of the lines, as the end event has it.</summary>
    public string? Hash { get; init; }

    internal static AttemptView Of(AttemptSummary attempt) => new(attempt.Attempt, attempt.Worker, attempt.StartedAt)
    {
        EndedAt = attempt.EndedAt,
        Reason = attempt.Reason,
        ExitCode = attempt.ExitCode,
        Signal = attempt.Signal,
        Error = attempt.Error,
        Lines = attempt.Reason is null ? null : attempt.Lines,
        Hash = attempt.Hash,
    };
}

/// <summary>Who asked for the stop, and why.</summary>
public sealed record StopView(bool Force, string? RequestedBy = null, string? Reason = null, DateTimeOffset? At = null);

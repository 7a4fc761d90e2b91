using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>A task as lists show it.</summary>
public record TaskSummary
{
    public required string TaskId { get; init; }
    public required string Project { get; init; }
    public required string Type { get; init; }
    public string? Command { get; init; }
    public required Status Status { get; init; }

    /// <summary>Why it ended as it did.</summary>
    public EndReason? Reason { get; init; }

    public int? ExitCode { get; init; }

    /// <summary>Whose failure it was, or that of its latest attempt that failed.</summary>
    public FailureClass? Class { get; init; }

    /// <summary>The latest attempt; 0 before the first one.</summary>
    public required int Attempt { get; init; }

    public string? Worker { get; init; }

    /// <summary>Lines of output of the latest attempt.</summary>
    public required long Lines { get; init; }

    /// <summary>How far it is, as its agent said last: <c>percent</c>, <c>step</c>.</summary>
    public JsonElement? Progress { get; init; }

    public required DateTimeOffset SubmittedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>
    /// When the agent of its latest attempt ended, while it is not decided yet what follows from that: no worker owns its lane, or one is about to.
    /// </summary>
    public DateTimeOffset? ExitedAt { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public required Priority Priority { get; init; }

    /// <summary>Of the tasks with this key only so many run at a time.</summary>
    public Concurrency? Concurrency { get; init; }

    /// <summary>When it goes on, where it is scheduled or waits for its next attempt.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>If no attempt has started by then, it expires.</summary>
    public DateTimeOffset? StartBy { get; init; }

    /// <summary>By then it ends, however many attempts are left.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The ended task that this one repeats.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>The dead letter in whose place this task goes on.</summary>
    public string? RedriveOf { get; init; }

    /// <summary>Only under the table's lock.</summary>
    [SetsRequiredMembers]
    internal TaskSummary(TrackedTask tracked)
    {
        var task = tracked.Submission!;
        var end = tracked.HasEnded ? tracked.Committed : null;
        var attempts = tracked.Attempts;
        TaskId = tracked.TaskId;
        Project = task.Project;
        Type = task.Type;
        Command = task.Command;
        Status = tracked.Status;
        Reason = end?.Reason;
        ExitCode = end?.ExitCode;
        Class = tracked.Class;
        Attempt = tracked.Attempt;
        Worker = tracked.Worker;
        Lines = end is null ? tracked.Log.Latest.Seq : end.Deciding()?.Lines ?? 0;
        Progress = tracked.Progress;
        SubmittedAt = tracked.SubmittedAt;
        StartedAt = attempts is [var first, ..] ? first.StartedAt : null;
        EndedAt = end?.At;
        ExitedAt = tracked.ExitedAt;
        Labels = task.Labels;
        Priority = task.Priority;
        Concurrency = task.Concurrency;
        DueAt = tracked.DueAt;
        StartBy = task.StartBy;
        Deadline = task.Deadline;
        ReplayOf = task.ReplayOf;
        RedriveOf = task.RedriveOf;
    }
}

/// <summary>A page of tasks, newest first.</summary>
/// <param name="Next">Give it as <c>after</c> for the next page; where it is missing there is none.</param>
public sealed record TaskPage(IReadOnlyList<TaskSummary> Tasks, string? Next = null);

/// <summary>Everything that is known of one task, but its output.</summary>
public sealed record TaskDetail : TaskSummary
{
    public required IReadOnlyDictionary<string, JsonElement> Params { get; init; }

    /// <summary>Name of the signal that ended the agent.</summary>
    public string? Signal { get; init; }

    /// <summary>What a person needs to know of a failure.</summary>
    public string? Error { get; init; }

    /// <summary>What its agent gave as the result; while it runs, the latest that it has given.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When its agent gave that.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>Its agent's result was too large, and is left out; missing where it was not.</summary>
    public bool? ResultLeftOut { get; init; }

    /// <summary>
    /// What of its end is not kept because Kafka would not have taken it: <c>artifacts</c>, <c>errors</c>, <c>result</c>, <c>attempts</c>,
    /// <c>params</c>.
    /// </summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    /// <summary>It failed for good and lies in the dead letters.</summary>
    public bool DeadLettered { get; init; }

    /// <summary>How many tasks of its lane come before it; missing where it is not queued.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>Why it waits although its turn may have come.</summary>
    public KeyHolder? WaitsFor { get; init; }

    public required IReadOnlyList<AttemptView> Attempts { get; init; }

    /// <summary>The tasks that repeat this one.</summary>
    public IReadOnlyList<string>? Replays { get; init; }

    /// <summary>Hash of its type in the catalogue, as that was when it was submitted; as <c>hash</c> in <c>GET /task-types</c>.</summary>
    public string? TypeHash { get; init; }

    /// <summary>That of the task which it repeats, where the type had changed between the two.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The request to stop, where there was one.</summary>
    public StopView? Stop { get; init; }

    /// <summary>The place after all that is known now; give it as <c>after</c> with <c>wait</c> to hear of what is new.</summary>
    public required string Cursor { get; init; }

    /// <summary>Partition of its records in Kafka, and the offset of its submission in <c>tasks</c>, once it is there.</summary>
    public required int Lane { get; init; }
    public long? Offset { get; init; }

    public required TaskLinks Links { get; init; }

    /// <summary>Only under the table's lock.</summary>
    [SetsRequiredMembers]
    internal TaskDetail(TrackedTask tracked) : base(tracked)
    {
        var task = tracked.Submission!;
        var end = tracked.HasEnded ? tracked.Committed : null;
        Params = task.Params;
        Signal = end?.Signal;
        Error = end?.Error;
        Result = end is null ? tracked.Result : end.Result;
        ResultAt = end is null ? tracked.ResultAt : end.ResultAt;
        ResultLeftOut = (end is null ? tracked.IsResultLeftOut : end.ResultLeftOut == true) ? true : null;
        LeftOut = end?.LeftOut;
        DeadLettered = end?.DeadLettered ?? false;
        Attempts = [.. tracked.Attempts.Select(AttemptView.Of)];
        Replays = tracked.Replays.Count > 0 ? tracked.Replays : null;
        TypeHash = task.TypeHash;
        PreviousTypeHash = task.PreviousTypeHash;
        Stop = tracked.Stop is { } stop
            ? new StopView(stop.Force, stop.RequestedBy, stop.Reason, stop.At, end is not null && end.Status != Status.Stopped ? true : null) : null;
        Cursor = tracked.Log.Latest.ToString();
        Lane = tracked.Lane;
        Offset = tracked.Place.IsScheduled ? null : tracked.Place.Offset;
        Links = TaskLinks.Of(tracked.TaskId, tracked.Place);
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
    public FailureClass? Class { get; init; }
    public long? Lines { get; init; }

    /// <summary>SHA-256 of the lines, as the end event has it.</summary>
    public string? Hash { get; init; }

    /// <summary>Hash of the catalogue entry that it ran by; not the task's where the type had changed by then.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The signal that it took to end all of the agent, <c>TERM</c> or <c>KILL</c>; missing where it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Milliseconds from the order to end it until nothing of it was left.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes were ended; missing where none was.</summary>
    public int? ProcessesEnded { get; init; }

    /// <summary>Names of the programs that had not ended within their grace and needed SIGKILL; missing where none did.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    internal static AttemptView Of(AttemptSummary attempt) => new(attempt.Attempt, attempt.Worker, attempt.StartedAt)
    {
        EndedAt = attempt.EndedAt,
        Reason = attempt.Reason,
        ExitCode = attempt.ExitCode,
        Signal = attempt.Signal,
        Error = attempt.Error,
        Class = attempt.Class,
        Lines = attempt.Reason is null ? null : attempt.Lines,
        Hash = attempt.Hash,
        TypeHash = attempt.TypeHash,
        EndedBy = attempt.EndedBy,
        StopMs = attempt.StopMs,
        ProcessesEnded = attempt.ProcessesEnded,
        ProcessesKilled = attempt.ProcessesKilled,
    };
}

/// <summary>Who asked for the stop, and why.</summary>
/// <param name="TooLate">It had ended by itself.</param>
public sealed record StopView(bool Force, string? RequestedBy = null, string? Reason = null, DateTimeOffset? At = null, bool? TooLate = null);

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

    /// <summary>Why it ended.</summary>
    public EndReason? Reason { get; init; }

    public int? ExitCode { get; init; }

    /// <summary>The class of its failure, or of the latest attempt that failed.</summary>
    public FailureClass? Class { get; init; }

    /// <summary>The latest attempt; 0 before the first one.</summary>
    public required int Attempt { get; init; }

    public string? Worker { get; init; }

    /// <summary>Lines of output of the latest attempt.</summary>
    public required long Lines { get; init; }

    /// <summary>The progress that its agent reported last: <c>percent</c>, <c>step</c>.</summary>
    public JsonElement? Progress { get; init; }

    public required DateTimeOffset SubmittedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>When the agent of its latest attempt ended, while no worker has decided yet how the task continues.</summary>
    public DateTimeOffset? ExitedAt { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public required Priority Priority { get; init; }

    /// <summary>Its concurrency key: a limited number of tasks with this key run at a time.</summary>
    public Concurrency? Concurrency { get; init; }

    /// <summary>When it continues, if it is scheduled or waits for its next attempt.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>It expires if no attempt has started by then.</summary>
    public DateTimeOffset? StartBy { get; init; }

    /// <summary>It ends by then, however many attempts are left.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The ended task that this one repeats.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>The dead letter that this task replaces.</summary>
    public string? RedriveOf { get; init; }

    /// <summary>The caller holds the table's lock.</summary>
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
/// <param name="Next">Send it as <c>after</c> to get the next page; missing on the last page.</param>
public sealed record TaskPage(IReadOnlyList<TaskSummary> Tasks, string? Next = null);

/// <summary>Everything known about one task, except its output.</summary>
public sealed record TaskDetail : TaskSummary
{
    public required IReadOnlyDictionary<string, JsonElement> Params { get; init; }

    /// <summary>Name of the signal that ended the agent.</summary>
    public string? Signal { get; init; }

    /// <summary>The failure in one sentence for a person.</summary>
    public string? Error { get; init; }

    /// <summary>The agent's result; while it runs, the latest that it has reported.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When the agent reported that result.</summary>
    public DateTimeOffset? ResultAt { get; init; }

    /// <summary>True if the result was too large and is left out; otherwise missing.</summary>
    public bool? ResultLeftOut { get; init; }

    /// <summary>
    /// Parts of its end left out because the record was too large for Kafka: <c>artifacts</c>, <c>errors</c>, <c>result</c>, <c>attempts</c>, <c>params</c>.
    /// </summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    /// <summary>It failed finally and is in the dead letters.</summary>
    public bool DeadLettered { get; init; }

    /// <summary>How many tasks of its lane are before it; missing if it is not queued.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>The task that holds its concurrency key, if it waits for that.</summary>
    public KeyHolder? WaitsFor { get; init; }

    public required IReadOnlyList<AttemptView> Attempts { get; init; }

    /// <summary>The tasks that repeat this one.</summary>
    public IReadOnlyList<string>? Replays { get; init; }

    /// <summary>Hash of its type in the catalogue when it was submitted; see <c>hash</c> in <c>GET /task-types</c>.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The type hash of the task that it repeats, if the type changed in between.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The request to stop it, if there was one.</summary>
    public StopView? Stop { get; init; }

    /// <summary>The place after everything known now; send it as <c>after</c> with <c>wait</c> to wait for news.</summary>
    public required string Cursor { get; init; }

    /// <summary>Partition of its records in Kafka; <c>Offset</c> is that of its submission in <c>tasks</c>, once it is there.</summary>
    public required int Lane { get; init; }
    public long? Offset { get; init; }

    public required TaskLinks Links { get; init; }

    /// <summary>The caller holds the table's lock.</summary>
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

/// <summary>One run of the agent. While it runs, it has no end.</summary>
public sealed record AttemptView(int Attempt, string Worker, DateTimeOffset StartedAt)
{
    public DateTimeOffset? EndedAt { get; init; }
    public EndReason? Reason { get; init; }
    public int? ExitCode { get; init; }
    public string? Signal { get; init; }
    public string? Error { get; init; }
    public FailureClass? Class { get; init; }
    public long? Lines { get; init; }

    /// <summary>SHA-256 of the lines, as in the end event.</summary>
    public string? Hash { get; init; }

    /// <summary>Hash of the catalogue entry that it ran with; differs from the task's if the type has changed since.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The signal that ended the last of its processes, <c>TERM</c> or <c>KILL</c>; missing if it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>Milliseconds from the order to end it until all its processes had ended.</summary>
    public long? StopMs { get; init; }

    /// <summary>How many processes were ended; missing if none.</summary>
    public int? ProcessesEnded { get; init; }

    /// <summary>Names of the programs that did not end within the grace period and got SIGKILL; missing if none.</summary>
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

/// <summary>Who requested the stop, and why.</summary>
/// <param name="TooLate">The task had already ended by itself.</param>
public sealed record StopView(bool Force, string? RequestedBy = null, string? Reason = null, DateTimeOffset? At = null, bool? TooLate = null);

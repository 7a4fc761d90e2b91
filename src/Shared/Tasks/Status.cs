using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>The state of a task. Once it has ended (<see cref="StatusRules.IsEnd"/>), it never changes again.</summary>
[JsonConverter(typeof(SnakeCaseEnum<Status>))]
public enum Status
{
    /// <summary>Submitted for later; it is in <c>task-schedule</c>.</summary>
    Scheduled,

    Queued,
    Starting,
    Running,

    /// <summary>The agent and all its child processes are paused until the task is resumed.</summary>
    Paused,

    Stopping,

    /// <summary>Between two attempts; it is in <c>task-schedule</c>.</summary>
    RetryWaiting,

    /// <summary>An attempt was lost with its worker, and its type leaves the decision to a person.</summary>
    Held,

    Succeeded,
    Failed,
    TimedOut,
    Stopped,

    /// <summary>It did not start in time.</summary>
    Expired,
}

/// <summary>Why an attempt or a task ended. Values are part of the wire contract: add new ones, never reuse one.</summary>
[JsonConverter(typeof(SnakeCaseEnum<EndReason>))]
public enum EndReason
{
    /// <summary>The agent exited by itself; see the exit code.</summary>
    ExitCode,

    /// <summary>A stop was requested.</summary>
    UserRequest,

    /// <summary>The attempt ran longer than its type allows.</summary>
    TimeLimit,

    /// <summary>The attempt printed more than its type allows.</summary>
    OutputLimit,

    /// <summary>The worker shut down; the attempt is not charged.</summary>
    WorkerShutdown,

    /// <summary>The worker disappeared during the attempt.</summary>
    WorkerLost,

    /// <summary>The agent could not be started: no such program, or the task does not match its type or project.</summary>
    SpawnFailed,

    /// <summary>The first attempt had not started by the task's <c>start_by</c>.</summary>
    StartBy,

    /// <summary>The task's <c>deadline</c>, over all attempts and the waits between them, has passed.</summary>
    Deadline,

    /// <summary>The agent was killed because memory had run out.</summary>
    MemoryLimit,

    /// <summary>The attempt printed nothing for longer than its type allows.</summary>
    SilenceLimit,

    /// <summary>The attempt had more processes than its type allows.</summary>
    ProcessLimit,

    /// <summary>The attempt's workspace held more than its type allows.</summary>
    DiskLimit,

    /// <summary>The agent had reported its result when a limit ended it, so the result decides; it is not an error.</summary>
    Result,

    /// <summary>The same with a result that is an error.</summary>
    ResultError,

    /// <summary>The task's type has changed since the submission, or is gone, and the task does not match it any more.</summary>
    TypeChanged,
}

/// <summary>The kind of a failure, as far as the rules of the task's type determine it.</summary>
[JsonConverter(typeof(SnakeCaseEnum<FailureClass>))]
public enum FailureClass
{
    /// <summary>The task itself: a retry would fail again.</summary>
    Permanent,

    /// <summary>Its surroundings: a later retry can succeed.</summary>
    Transient,

    /// <summary>It did not fail by itself; something ended it.</summary>
    Terminated,
}

/// <summary>The order in which the owner of a lane takes waiting tasks.</summary>
[JsonConverter(typeof(SnakeCaseEnum<Priority>))]
public enum Priority
{
    High,
    Normal,
    Low,
}

public static class StatusRules
{
    public static bool IsEnd(this Status status) => status >= Status.Succeeded;

    /// <summary>The status of a task that ends with an attempt's outcome.</summary>
    public static Status EndOf(EndReason reason, int? exitCode) => reason switch
    {
        EndReason.ExitCode => exitCode == 0 ? Status.Succeeded : Status.Failed,
        EndReason.Result => Status.Succeeded,
        EndReason.UserRequest => Status.Stopped,
        EndReason.TimeLimit or EndReason.SilenceLimit or EndReason.Deadline => Status.TimedOut,
        EndReason.StartBy => Status.Expired,
        _ => Status.Failed,
    };

    /// <summary>The last line of the output for people: <c>DONE</c>, <c>STOPPED</c> or <c>FAILED</c>.</summary>
    public static string EndText(this Status status) => status switch
    {
        Status.Succeeded => "DONE",
        Status.Stopped => "STOPPED",
        _ => "FAILED",
    };
}

public sealed class SnakeCaseEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

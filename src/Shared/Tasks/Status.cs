using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>Where a task stands. Once it has ended (<see cref="StatusRules.IsEnd"/>) it never changes again.</summary>
[JsonConverter(typeof(SnakeCaseEnum<Status>))]
public enum Status
{
    /// <summary>Submitted for later; it is in <c>task-schedule</c>.</summary>
    Scheduled,

    Queued,
    Starting,
    Running,

    /// <summary>The agent and all it has started stand still until somebody resumes the task.</summary>
    Paused,

    Stopping,

    /// <summary>Between two attempts; it is in <c>task-schedule</c>.</summary>
    RetryWaiting,

    /// <summary>An attempt was lost with its worker, and its type wants a person to decide what follows.</summary>
    Held,

    Succeeded,
    Failed,
    TimedOut,
    Stopped,

    /// <summary>It never started in time.</summary>
    Expired,
}

/// <summary>Why an attempt or a task ended. Values are part of the wire contract: add, never re-purpose.</summary>
[JsonConverter(typeof(SnakeCaseEnum<EndReason>))]
public enum EndReason
{
    /// <summary>The agent exited by itself; the exit code says how.</summary>
    ExitCode,

    /// <summary>Somebody asked for the stop.</summary>
    UserRequest,

    /// <summary>The attempt ran longer than its type allows.</summary>
    TimeLimit,

    /// <summary>The attempt printed more than its type allows.</summary>
    OutputLimit,

    /// <summary>The worker was told to shut down; the attempt is not charged.</summary>
    WorkerShutdown,

    /// <summary>The worker disappeared in the middle of the attempt.</summary>
    WorkerLost,

    /// <summary>The agent could not be started: no such program, or the task does not fit its type or project.</summary>
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

    /// <summary>The agent had given its result when a limit ended it: so the result decides, and it is none that says it is an error.</summary>
    Result,

    /// <summary>The same with a result that says it is an error.</summary>
    ResultError,

    /// <summary>The task's type has changed since it was submitted, or is gone, and the task does not fit any more.</summary>
    TypeChanged,
}

/// <summary>What kind of failure it was, as far as the rules of the task's type can tell.</summary>
[JsonConverter(typeof(SnakeCaseEnum<FailureClass>))]
public enum FailureClass
{
    /// <summary>The task itself: the same again would fail again.</summary>
    Permanent,

    /// <summary>Something around it: later it may work.</summary>
    Transient,

    /// <summary>It did not fail by itself; something ended it.</summary>
    Terminated,
}

/// <summary>In which order the owner of a lane takes the tasks that wait there.</summary>
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

    /// <summary>The end that an attempt's outcome means for its task.</summary>
    public static Status EndOf(EndReason reason, int? exitCode) => reason switch
    {
        EndReason.ExitCode => exitCode == 0 ? Status.Succeeded : Status.Failed,
        EndReason.Result => Status.Succeeded,
        EndReason.UserRequest => Status.Stopped,
        EndReason.TimeLimit or EndReason.SilenceLimit or EndReason.Deadline => Status.TimedOut,
        EndReason.StartBy => Status.Expired,
        _ => Status.Failed,
    };

    /// <summary>What a person reads at the end of the output: <c>DONE</c>, <c>STOPPED</c> or <c>FAILED</c>.</summary>
    public static string EndText(this Status status) => status switch
    {
        Status.Succeeded => "DONE",
        Status.Stopped => "STOPPED",
        _ => "FAILED",
    };
}

public sealed class SnakeCaseEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

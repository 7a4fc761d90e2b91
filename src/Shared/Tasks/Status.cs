using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>Where a task stands. Once it has ended (<see cref="StatusRules.IsEnd"/>) it never changes again.</summary>
[JsonConverter(typeof(SnakeCaseEnum<Status>))]
public enum Status
{
    Queued,
    Starting,
    Running,
    Stopping,
    Succeeded,
    Failed,
    TimedOut,
    Stopped,
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
}

public static class StatusRules
{
    public static bool IsEnd(this Status status) => status >= Status.Succeeded;

    /// <summary>The end that an attempt's outcome means for its task.</summary>
    public static Status EndOf(EndReason reason, int? exitCode) => reason switch
    {
        EndReason.ExitCode => exitCode == 0 ? Status.Succeeded : Status.Failed,
        EndReason.UserRequest => Status.Stopped,
        EndReason.TimeLimit => Status.TimedOut,
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

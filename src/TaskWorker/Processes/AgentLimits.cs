using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Limits of an attempt; null: no limit.</summary>
internal sealed record AgentLimits
{
    /// <summary>Running time, without pauses.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>Time between SIGTERM and SIGKILL.</summary>
    public required TimeSpan Grace { get; init; }

    /// <summary>The task's deadline; it also applies during a pause.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Time without output, without pauses.</summary>
    public TimeSpan? Silence { get; init; }

    /// <summary>Processes at a time.</summary>
    public int? Processes { get; init; }

    /// <summary>Bytes in its workspace.</summary>
    public long? Disk { get; init; }

    /// <summary>Time that it can run after it has reported its result, without pauses.</summary>
    public TimeSpan? AfterResult { get; init; }

    public static AgentLimits Of(TaskType type, DateTimeOffset? deadline) => new()
    {
        Time = type.TimeLimit,
        Grace = type.Grace,
        Deadline = deadline,
        Silence = type.SilenceLimit,
        Processes = type.ProcessLimit,
        Disk = type.DiskLimit,
        AfterResult = type.AfterResult,
    };
}

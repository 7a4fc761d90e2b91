using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>What an attempt may use before it is ended. Null: as much as it likes.</summary>
internal sealed record AgentLimits
{
    /// <summary>In which it runs; while it is paused it does not count.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>Between SIGTERM and SIGKILL.</summary>
    public required TimeSpan Grace { get; init; }

    /// <summary>Of its task. It comes also while the attempt is paused.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Without output; while it is paused it does not count.</summary>
    public TimeSpan? Silence { get; init; }

    /// <summary>Processes at a time.</summary>
    public int? Processes { get; init; }

    /// <summary>Bytes in its workspace.</summary>
    public long? Disk { get; init; }

    /// <summary>In which it may go on after it has given its result; while it is paused it does not count.</summary>
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

using Microsoft.Extensions.Logging;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>What a person should know of this worker, which goes on all the same: it stands in its log, its heartbeat, and so in <c>/readyz</c> of the API.</summary>
internal sealed partial class WorkerWarnings(ILogger<WorkerWarnings> logger)
{
    private volatile string? _notDeleted;
    private int _count;

    public IReadOnlyList<string> All => _notDeleted is { } warning ? [warning] : [];

    /// <param name="left">Paths with reasons, for people.</param>
    public void NotDeleted(IReadOnlyList<string> left)
    {
        if (left.Count == 0)
            return;
        LogNotDeleted(logger, string.Join("; ", left));
        var count = Interlocked.Add(ref _count, left.Count);
        _notDeleted = $"what agents have left could not be deleted, {count} so far; the last is {left[^1]}";
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What agents have left behind cannot be deleted, and takes room until somebody does: {Left}")]
    private static partial void LogNotDeleted(ILogger logger, string left);
}

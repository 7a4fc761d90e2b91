using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.TaskWorker.Settings;

/// <summary>
/// Warnings of this worker for people. It continues to run; they appear in its log, in its heartbeat, and through that in <c>/readyz</c> of the API.
/// </summary>
internal sealed partial class WorkerWarnings(TimeProvider clock, ILogger<WorkerWarnings> logger)
{
    private const int Most = 10;
    private static readonly TimeSpan Last = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, long> _passing = new();   // text → time of the last occurrence
    private volatile string? _notDeleted;
    private int _count;

    /// <summary>The latest first.</summary>
    public IReadOnlyList<string> All
    {
        get
        {
            foreach (var (text, at) in _passing)
                if (clock.GetElapsedTime(at) > Last)
                    _passing.TryRemove(KeyValuePair.Create(text, at));
            var latest = _passing.OrderByDescending(warning => warning.Value).Take(Most).Select(warning => warning.Key);
            return _notDeleted is { } left ? [.. latest, left] : [.. latest];
        }
    }

    /// <summary>Shows a warning for ten minutes.</summary>
    public void Add(string text)
    {
        _passing[text] = clock.GetTimestamp();
        LogWarning(logger, text);
    }

    /// <param name="left">Paths with reasons, for people.</param>
    public void NotDeleted(IReadOnlyList<string> left)
    {
        if (left.Count == 0)
            return;
        LogNotDeleted(logger, string.Join("; ", left));
        var count = Interlocked.Add(ref _count, left.Count);
        _notDeleted = $"files of agents could not be deleted, {count} so far; the last is {left[^1]}";
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Files of agents cannot be deleted, and use disk space until somebody deletes them: {Left}")]
    private static partial void LogNotDeleted(ILogger logger, string left);

    [LoggerMessage(Level = LogLevel.Error, Message = "Needs attention: {Warning}")]
    private static partial void LogWarning(ILogger logger, string warning);
}

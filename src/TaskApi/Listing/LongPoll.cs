using TaskPipeline.Shared.Catalogue;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>A request that waits for news instead of polling: <c>wait=30s</c>.</summary>
internal sealed class LongPoll : IDisposable
{
    public const string Rule = "must be a duration of at most 60s, such as 30s";
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _over;
    private readonly CancellationToken _gone;

    /// <param name="gone">Cancelled when the client disconnects.</param>
    public LongPoll(TimeSpan maxWait, CancellationToken gone)
    {
        _gone = gone;
        _over = CancellationTokenSource.CreateLinkedTokenSource(gone);
        _over.CancelAfter(maxWait);
    }

    public static bool TryParse(string? text, out TimeSpan maxWait)
    {
        var parsed = string.IsNullOrEmpty(text) ? TimeSpan.Zero : Quantity.Duration(text);
        maxWait = parsed ?? default;
        return parsed is not null && maxWait <= Longest;
    }

    /// <summary>Waits until the log is newer than <paramref name="version"/>; false after the time.</summary>
    public async Task<bool> ForMoreAsync(TaskLog log, long version)
    {
        var changed = log.Changed.Next;
        if (log.Version != version)
            return true;
        await changed.WaitAsync(_over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _gone.ThrowIfCancellationRequested();
        return changed.IsCompleted;
    }

    public void Dispose() => _over.Dispose();
}

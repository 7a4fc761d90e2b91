using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>What a connection sends: events, pulled one after the other at its own speed by the one loop that owns it.</summary>
internal interface IWatch
{
    /// <summary>Nothing follows.</summary>
    bool HasEnded { get; }

    /// <summary>Behind the last event that was handed out: where to go on after a loss of the connection.</summary>
    string Place { get; }

    /// <summary>The next event; null: there is none yet.</summary>
    ValueTask<WatchEvent?> NextAsync(CancellationToken cancellationToken);

    /// <summary>Waits until <see cref="NextAsync"/> may have something; false: nothing came within the time.</summary>
    ValueTask<bool> WaitAsync(TimeSpan maxWait, CancellationToken cancellationToken);

    /// <summary>The same, while others may send what comes to the connection.</summary>
    async Task<LeftOver> AttendAsync(DirectOutput output, CancellationToken leaving)
    {
        await WaitAsync(Timeout.InfiniteTimeSpan, leaving);
        return LeftOver.Nothing;
    }
}

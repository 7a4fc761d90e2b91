using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>What a connection sends: events, pulled one by one at its own speed by the loop that owns it.</summary>
internal interface IWatch
{
    /// <summary>No event follows.</summary>
    bool HasEnded { get; }

    /// <summary>The place after the last event returned: where to continue after a disconnect.</summary>
    string Place { get; }

    /// <summary>The next event; null: there is none yet.</summary>
    ValueTask<WatchEvent?> NextAsync(CancellationToken cancellationToken);

    /// <summary>Waits until <see cref="NextAsync"/> can have something; false: nothing arrived within the time.</summary>
    ValueTask<bool> WaitAsync(TimeSpan maxWait, CancellationToken cancellationToken);

    /// <summary>Waits in the same way, while the <see cref="Audience"/> can send events to the connection.</summary>
    async Task<LeftOver> AttendAsync(DirectOutput output, CancellationToken leaving)
    {
        await WaitAsync(Timeout.InfiniteTimeSpan, leaving);
        return LeftOver.Nothing;
    }
}

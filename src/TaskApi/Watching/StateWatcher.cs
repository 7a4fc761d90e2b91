using System.Text.Json;
using System.Text.Json.Serialization;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// One watcher's place in the <see cref="StateFeed"/>. The place is valid only on this replica until its restart. A watcher that was away for too
/// long gets a <c>missed</c> event, and reads the current states from <c>GET /tasks</c>.
/// </summary>
/// <param name="isWanted">Whether this watcher wants an event of a project.</param>
internal sealed class StateWatcher(StateFeed feed, Func<WatchEvent, string?, bool> isWanted) : IWatch
{
    private readonly Queue<WatchEvent> _first = [];
    private long _next = feed.Count;
    private Task _changed = Task.CompletedTask;

    public bool HasEnded => false;

    public string Place => feed.PlaceOf(_next);

    /// <summary>Continues at the place <paramref name="from"/> of an earlier connection; null or empty: a new watcher, which starts now.</summary>
    public static StateWatcher Begin(StateFeed feed, string? project, string? from)
    {
        var watcher = new StateWatcher(feed, (_, other) => project is null || project == other);
        if (string.IsNullOrEmpty(from))
            watcher._first.Enqueue(FeedEvent.Hello(watcher.Place, project));
        else if (feed.TryFind(from) is { } place)
            watcher._next = place;
        else
            watcher._first.Enqueue(FeedEvent.Missed(watcher.Place, null));
        return watcher;
    }

    public ValueTask<WatchEvent?> NextAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Next());

    public async ValueTask<bool> WaitAsync(TimeSpan maxWait, CancellationToken cancellationToken)
    {
        await _changed.WaitAsync(maxWait, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return _changed.IsCompleted;
    }

    private WatchEvent? Next()
    {
        if (_first.TryDequeue(out var first))
            return first;
        _changed = feed.Changed.Next;
        while (_next < feed.Count)
        {
            var (found, project, missed) = feed.At(_next);
            _next += Math.Max(1, missed);
            if (missed > 0)
                return FeedEvent.Missed(Place, missed);
            if (isWanted(found!, project))
                return found;
        }
        return null;
    }
}

/// <summary>An event about the feed itself.</summary>
internal sealed class FeedEvent : WatchEvent
{
    private static readonly JsonSerializerOptions Plain = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private FeedEvent(object content) : base("", Cursor.Start) => Json = JsonSerializer.SerializeToUtf8Bytes(content, Plain);

    /// <summary>How many events this watcher has missed; null: unknown.</summary>
    public long? Count { get; private init; }

    public override ReadOnlyMemory<byte> Json { get; }

    public static FeedEvent Hello(string place, string? project) =>
        new(new { v = 1, type = "hello", place, project, heartbeat = HelloEvent.Heartbeat.TotalSeconds });

    public static FeedEvent Missed(string place, long? count) => new(new { v = 1, type = "missed", place, count }) { Count = count };
}

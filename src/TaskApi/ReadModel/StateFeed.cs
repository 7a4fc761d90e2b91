using System.Globalization;
using System.Text;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// The latest state and end events of all tasks, in the order in which this replica read them. Subscribers read it by place, like a task's log. A
/// subscriber that is further behind than the ring holds gets the number of events that it missed; nobody waits for it.
/// </summary>
internal sealed class StateFeed
{
    private const int Kept = 8192;

    private readonly WatchEvent?[] _ring = new WatchEvent?[Kept];
    private readonly string?[] _projects = new string?[Kept];
    private readonly Lock _gate = new();
    private readonly string _id = Guid.NewGuid().ToString("N")[..12];   // places are valid only in this feed
    private long _count;

    public ChangeSignal Changed { get; } = new();

    public long Count => Interlocked.Read(ref _count);

    public string PlaceOf(long place) => string.Create(CultureInfo.InvariantCulture, $"{_id}.{place}");

    /// <summary>Null: it is not a place of this feed, for example one of another replica.</summary>
    public long? TryFind(string place) =>
        place.StartsWith(_id + '.', StringComparison.Ordinal)
            && long.TryParse(place.AsSpan(_id.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var found) && found <= Count ? found : null;

    public void Add(WatchEvent added, string? project)
    {
        lock (_gate)
        {
            _ring[_count % Kept] = new PlacedEvent(added, this, _count + 1);
            _projects[_count % Kept] = project;
            _count++;
        }
    }

    /// <summary>The event at a place. If it is already overwritten: the number of events lost up to the oldest one that is kept.</summary>
    public (WatchEvent? Event, string? Project, long Missed) At(long place)
    {
        lock (_gate)
        {
            var missed = Math.Max(0, _count - Kept - place);
            return missed > 0 ? (null, null, missed) : (_ring[place % Kept], _projects[place % Kept], 0);
        }
    }
}

/// <summary>A task's event with the place after it in the feed, which differs from its cursor in the task's log.</summary>
internal sealed class PlacedEvent(WatchEvent watchEvent, StateFeed feed, long place) : WatchEvent(watchEvent.TaskId, watchEvent.Cursor)
{
    private byte[]? _json;   // encoded on first use, as in every event

    public override ReadOnlyMemory<byte> Json
    {
        get
        {
            var json = Volatile.Read(ref _json);
            if (json is null)
                Volatile.Write(ref _json, json = [.. watchEvent.Json.Span[..^1], .. Encoding.UTF8.GetBytes($",\"place\":\"{feed.PlaceOf(place)}\"}}")]);
            return json;
        }
    }
}

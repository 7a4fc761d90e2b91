using System.Globalization;
using System.Text;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// The latest state and end events of all tasks, in the order in which this replica saw them. Like a task's log it is read by place: a subscriber
/// that falls further behind than the ring holds is told how many it missed, and nobody waits for it.
/// </summary>
internal sealed class StateFeed
{
    private const int Kept = 8192;

    private readonly WatchEvent?[] _ring = new WatchEvent?[Kept];
    private readonly string?[] _projects = new string?[Kept];
    private readonly Lock _gate = new();
    private readonly string _id = Guid.NewGuid().ToString("N")[..12];   // places are this feed's own
    private long _count;

    public ChangeSignal Changed { get; } = new();

    public long Count => Interlocked.Read(ref _count);

    public string PlaceOf(long place) => string.Create(CultureInfo.InvariantCulture, $"{_id}.{place}");

    /// <summary>Null: it is a place of another feed, such as that of another replica, or none at all.</summary>
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

    /// <summary>The event at a place; where it is overwritten already, the number of events lost and the place of the oldest one kept.</summary>
    public (WatchEvent? Event, string? Project, long Missed) At(long place)
    {
        lock (_gate)
        {
            var missed = Math.Max(0, _count - Kept - place);
            return missed > 0 ? (null, null, missed) : (_ring[place % Kept], _projects[place % Kept], 0);
        }
    }
}

/// <summary>An event of a task with the place behind it in the feed, which its own cursor is not.</summary>
internal sealed class PlacedEvent(WatchEvent told, StateFeed feed, long place) : WatchEvent(told.TaskId, told.Cursor)
{
    private byte[]? _json;   // encoded for the first who is told, as in every event

    public override ReadOnlyMemory<byte> Json
    {
        get
        {
            var json = Volatile.Read(ref _json);
            if (json is null)
                Volatile.Write(ref _json, json = [.. told.Json.Span[..^1], .. Encoding.UTF8.GetBytes($",\"place\":\"{feed.PlaceOf(place)}\"}}")]);
            return json;
        }
    }
}

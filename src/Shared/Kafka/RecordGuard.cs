using System.Diagnostics;
using System.Globalization;
using System.IO.MemoryMappedFiles;
using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// The last defence against a record that kills every process that reads it. A process notes in a file which record each of its threads is handling;
/// the file outlives the process. The next process in the same folder reads the files of dead processes, and skips a record at which three have died
/// within a minute. The cause need not be known.
/// </summary>
public sealed partial class RecordGuard : IDisposable
{
    private const int Slots = 32;
    private const int SlotBytes = 5 * sizeof(long);
    private const int Deaths = 3;
    private static readonly TimeSpan Within = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);

    private readonly IReadOnlyList<string> _topics;
    private readonly byte[] _crashOn;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly string _path;
    private readonly HashSet<Place> _setAside;
    private int _slots;

    /// <param name="folder">The folder of all processes of this pipeline on this machine; it is created.</param>
    /// <param name="crashOn">For tests: a text in a record's value at which the process dies as by <c>kill -9</c>. Empty: none.</param>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    public RecordGuard(string folder, string cluster, IReadOnlyList<string> topics, string crashOn, TimeProvider clock, ILogger logger)
    {
        (_topics, _crashOn) = (topics, Encoding.UTF8.GetBytes(crashOn));
        Directory.CreateDirectory(folder);
        var known = Path.Combine(folder, "deaths");
        using (Lock(Path.Combine(folder, "lock")))
        {
            var deaths = File.Exists(known) ? File.ReadAllLines(known).Select(Death.Parse).OfType<Death>().ToList() : [];
            var now = clock.GetUtcNow();
            foreach (var file in Directory.EnumerateFiles(folder, "*" + Suffix))
                if (ProcessIdentity.IsDead(Path.GetFileName(file).Split('-')[0]))
                {
                    deaths.AddRange(ReadDead(file).Select(dead => new Death(now, cluster, dead.Place, dead.Begun)));
                    File.Delete(file);
                }
            // Other threads were handling records too, and may only have waited for the one that died. So only the record that was begun last is set
            // aside: if it was the wrong one, the next process dies too.
            if (deaths.Where(death => !death.IsSetAside)
                .GroupBy(death => (death.Cluster, death.Place))
                .Where(group => HasDiedOften([.. group.Select(death => death.At).Order()]))
                .Select(group => group.MaxBy(death => death.Begun)!).MaxBy(death => death.Begun) is { } suspect)
                deaths =
                [
                    .. deaths.Where(death => death.IsSetAside || (death.Cluster, death.Place) != (suspect.Cluster, suspect.Place)),
                    suspect with { IsSetAside = true },
                ];
            File.WriteAllLines(known, deaths.Where(death => death.IsSetAside || now - death.At < Within).Select(death => death.ToString()));
            _setAside = [.. deaths.Where(death => death.IsSetAside && death.Cluster == cluster).Select(death => death.Place)];
            _path = Path.Combine(folder, $"{ProcessIdentity.Own}-{Guid.NewGuid():N}{Suffix}");   // a process can have several
            _file = MemoryMappedFile.CreateFromFile(_path, FileMode.Create, mapName: null, HeadBytes + (Slots * SlotBytes));
        }
        _view = _file.CreateViewAccessor();
        _view.WriteArray(0, Encoding.UTF8.GetBytes(string.Join('\n', topics)), 0, Math.Min(HeadBytes, Encoding.UTF8.GetByteCount(string.Join('\n', topics))));
        Warnings = [.. _setAside.Select(place => $"the record {place} is skipped: {Deaths} processes have died at it within a minute. "
            + $"Its content is in the topic; delete {known} to try it again")];
        foreach (var warning in Warnings)
            LogSetAside(logger, warning);
    }

    private const int HeadBytes = 4096;   // for the names of the topics
    private const string Suffix = ".handling";

    /// <summary>The skipped records, as sentences.</summary>
    public IReadOnlyList<string> Warnings { get; }

    public bool IsSetAside(ConsumeResult<byte[]?, byte[]?> record) => _setAside.Count > 0 && _setAside.Contains(Place.Of(record));

    /// <summary>A slot in the file, for one thread, or for several of which only one runs at a time.</summary>
    /// <exception cref="InvalidOperationException">There are too many.</exception>
    internal long NewPlace() =>
        Interlocked.Increment(ref _slots) is var slot and <= Slots
            ? HeadBytes + ((slot - 1) * SlotBytes)
            : throw new InvalidOperationException($"there are more than {Slots} slots");

    /// <summary>Removes the file: this process ends normally.</summary>
    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
        File.Delete(_path);
    }

    /// <summary>Number of a topic, from 1; 0: there is no topic with that name.</summary>
    internal int NumberOf(string topic)
    {
        for (var index = 0; index < _topics.Count; index++)
            if (_topics[index] == topic)
                return index + 1;
        return 0;
    }

    internal void Note(long place, int topic, ConsumeResult<byte[]?, byte[]?> record)
    {
        var marked = new Marked
        {
            Topic = topic,
            Partition = record.Partition.Value,
            Offset = record.Offset.Value,
            Time = record.Message.Timestamp.UnixTimestampMs,
            Begun = Stopwatch.GetTimestamp(),
        };
        _view.Write(place, ref marked);
        if (_crashOn.Length == 0 || record.Message.Value.AsSpan().IndexOf(_crashOn) < 0)
            return;
        using var self = Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite);
    }

    internal void Clear(long place) => _view.Write(place, 0L);

    private static bool HasDiedOften(IReadOnlyList<DateTimeOffset> times) =>
        Enumerable.Range(0, Math.Max(0, times.Count - Deaths + 1)).Any(first => times[first + Deaths - 1] - times[first] < Within);

    private static List<(Place Place, long Begun)> ReadDead(string file)
    {
        var bytes = File.ReadAllBytes(file);
        if (bytes.Length < HeadBytes + (Slots * SlotBytes))
            return [];   // the process died before it could note anything
        var topics = Encoding.UTF8.GetString(bytes.AsSpan(0, HeadBytes)).TrimEnd('\0').Split('\n');
        List<(Place, long)> places = [];
        for (var slot = 0; slot < Slots; slot++)
        {
            var at = HeadBytes + (slot * SlotBytes);
            if (Number(0) is > 0 and var topic && topic <= topics.Length)
                places.Add((new Place(topics[topic - 1], (int)Number(1), Number(2), Number(3)), Number(4)));

            long Number(int index) => BitConverter.ToInt64(bytes, at + (index * sizeof(long)));
        }
        return places;
    }

    /// <summary>Processes that start at the same time do this one after the other.</summary>
    private static FileStream Lock(string path)
    {
        var limit = Environment.TickCount64 + (long)LockTimeout.TotalMilliseconds;
        while (true)
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (Environment.TickCount64 < limit)
            {
                Thread.Sleep(10);
            }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Warning}")]
    private static partial void LogSetAside(ILogger logger, string warning);

    /// <summary>The layout in the file; topic 0 means empty.</summary>
    private struct Marked
    {
        public long Topic;
        public long Partition;
        public long Offset;
        public long Time;
        public long Begun;   // Stopwatch ticks of that process
    }

    /// <param name="Time">The record's timestamp in milliseconds since 1970: a topic that was created again has the same offsets.</param>
    private readonly record struct Place(string Topic, int Partition, long Offset, long Time)
    {
        public static Place Of(ConsumeResult<byte[]?, byte[]?> record) =>
            new(record.Topic, record.Partition.Value, record.Offset.Value, record.Message.Timestamp.UnixTimestampMs);

        public override string ToString() => $"{Topic}[{Partition}]@{Offset}";
    }

    private sealed record Death(DateTimeOffset At, string Cluster, Place Place, long Begun, bool IsSetAside = false)
    {
        public static Death? Parse(string line) =>
            line.Split('\t') is [var at, var cluster, var topic, var partition, var offset, var time, var begun, var isSetAside]
            && DateTimeOffset.TryParse(at, CultureInfo.InvariantCulture, out var when)
            && int.TryParse(partition, out var lane) && long.TryParse(offset, out var place) && long.TryParse(time, out var written)
            && long.TryParse(begun, out var ticks) && bool.TryParse(isSetAside, out var aside)
                ? new Death(when, cluster, new Place(topic, lane, place, written), ticks, aside)
                : null;

        public override string ToString() =>
            string.Create(CultureInfo.InvariantCulture,
                $"{At:O}\t{Cluster}\t{Place.Topic}\t{Place.Partition}\t{Place.Offset}\t{Place.Time}\t{Begun}\t{IsSetAside}");
    }
}

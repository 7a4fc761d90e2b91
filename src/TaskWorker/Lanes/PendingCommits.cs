using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// Decisions that are not committed yet. All decisions since the last commit go into the next one, as soon as that is done. Only the worker's loop uses it.
/// </summary>
/// <param name="ended">Called for each task whose end is committed.</param>
internal sealed partial class PendingCommits(
    Topics topics,
    GroupMember member,
    Committer committer,
    Inbox inbox,
    WorkerWarnings warnings,
    Action<OwnedLane, string> ended,
    string worker,
    TimeProvider clock,
    ILogger logger)
{
    /// <summary>After this time, refused records are tried again: the topic's limit may have been raised.</summary>
    public static readonly TimeSpan UnwritablePause = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RefusedPause = TimeSpan.FromMilliseconds(50);

    private readonly List<Decided> _decided = [];
    private Commitment? _committing;
    private TimeSpan _pause;
    private long _pausedAt;

    /// <summary>Number of decisions that wait for their commit to begin.</summary>
    public int Count => _decided.Count;

    /// <summary>Whether commits are paused, because the group or Kafka has just refused one.</summary>
    public bool IsPaused => clock.GetElapsedTime(_pausedAt) < _pause;

    public void Add(Decided decided) => _decided.Add(decided);

    /// <summary>Whether the end of a task is decided but not committed.</summary>
    public bool Holds(string taskId) => _decided.Concat(_committing?.What ?? []).Any(decided => decided.Ended == taskId);

    /// <summary>The group has refused something; the next poll brings its reason.</summary>
    public void Pause() => Pause(RefusedPause);

    public void Commit()
    {
        _decided.RemoveAll(decided => !decided.Lane.IsOwned);
        if (_committing is not null || _decided.Count == 0 || IsPaused)
            return;
        var alone = _decided.Find(decided => decided.IsAlone);
        List<Decided> included = alone is null ? [.. _decided] : [alone];
        _decided.RemoveAll(included.Contains);
        // A decision that is written alone does not move its lane's offset, because other decisions may not be written yet.
        var places = included.Select(decided => decided.Lane).Distinct().ToDictionary(lane => lane, lane => alone is null ? lane.Next : lane.Committed);
        var committing = committer.CommitAsync(new Batch(
            member.Metadata,
            [.. included.SelectMany(decided => decided.Records), .. alone is null ? places.Keys.Select(StateOf) : []],
            [.. places.Select(place => new TopicPartitionOffset(topics.Tasks, place.Key.Partition, place.Value))]));
        _committing = new(committing, included, places);
        committing.ContinueWith(_ => inbox.Post(() => Committed(committing)), TaskScheduler.Default);
    }

    /// <summary>Waits, for a limited time, until all decisions are committed. The next owner repeats the others from the log.</summary>
    public void CommitRest(TimeSpan wait)
    {
        var began = clock.GetTimestamp();
        while (_committing is not null || _decided.Any(decided => decided.Lane.IsOwned))
        {
            if (_committing is var (committing, _, _))
            {
                var left = wait - clock.GetElapsedTime(began);
                if (Task.WaitAny([committing], left > TimeSpan.Zero ? left : TimeSpan.Zero) < 0)
                    return;
                Committed(committing);
                if (committing.IsFaulted)
                    return;
            }
            Commit();
            if (_committing is null)
                return;   // commits are paused
        }
    }

    private CommitRecord StateOf(OwnedLane lane) => new(topics.State, lane.Partition, LaneState.Key(lane.Partition), TaskJson.Encode(lane.State(worker)));

    private void Committed(Task committing)
    {
        if (_committing is not var (done, included, places) || done != committing)
            return;   // already handled by CommitRest
        _committing = null;
        if (committing.Exception?.InnerException is FencedException fenced)
        {
            // A rebalance fences too, and this worker may keep the lanes: then the commit is repeated with the new group metadata.
            LogFenced(logger, fenced.Message);
            _decided.InsertRange(0, included);
            Pause();
            return;
        }
        if (committing.Exception?.InnerException is RefusedException refused)
        {
            Refused(refused, included);
            return;
        }
        committing.GetAwaiter().GetResult();   // after any other failure the result is unknown: the process ends
        foreach (var (lane, next) in places)
            lane.Committed = next;
        foreach (var decided in included)
            if (decided.Ended is { } taskId)
                ended(decided.Lane, taskId);
    }

    /// <summary>
    /// Kafka refuses a record. The batch's other records are written without it, and it is made smaller. A record that cannot be written at all
    /// causes a warning, and the lane continues. A batch can be too large although its records are not, so they are tried one by one first.
    /// </summary>
    private void Refused(RefusedException refused, List<Decided> included)
    {
        var affected = included.Where(decided => decided.Records.Any(record => refused.Records.Contains(record, ReferenceEqualityComparer.Instance))).ToList();
        var some = refused.Records.Take(3).Select(record => $"{record.Key} of {record.Value?.Length ?? 0} bytes for {record.Topic}");
        LogRefused(logger, string.Join(", ", some), refused.Message);
        _decided.InsertRange(0, included.Where(decided => !affected.Contains(decided)));
        if (affected.Count == 0)
        {
            // The lane's own state was refused: nothing can be committed until somebody corrects that topic.
            Pause(UnwritablePause);
            warnings.Add($"Kafka refuses the state of a lane: {refused.Message}");
        }
        foreach (var decided in affected.Where(decided => decided.Lane.IsOwned))
            if (!decided.IsAlone && included.Count > 1)
                _decided.Add(decided with { IsAlone = true });
            else if (decided.Reduce())
                _decided.Add(decided.Again());
            else
                decided.GiveUp();
    }

    private void Pause(TimeSpan time) => (_pausedAt, _pause) = (clock.GetTimestamp(), time);

    /// <param name="Places">For each lane the offset of the first unfinished record.</param>
    private sealed record Commitment(Task Done, List<Decided> What, Dictionary<OwnedLane, long> Places);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka refuses {Records}: {Reason}")]
    private static partial void LogRefused(ILogger logger, string records, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The group has refused a commit; it is repeated: {Reason}")]
    private static partial void LogFenced(ILogger logger, string reason);
}

/// <summary>Records to commit together with the lane's offset.</summary>
/// <param name="Write">Makes the records again, at the current reduction.</param>
internal sealed record Decided(OwnedLane Lane, IReadOnlyList<CommitRecord> Records, Func<IReadOnlyList<CommitRecord>> Write)
{
    /// <summary>The task whose end the records are.</summary>
    public string? Ended { get; init; }

    /// <summary>Nothing else is committed with them.</summary>
    public bool IsAlone { get; init; }

    /// <summary>Called when Kafka refuses them: reduces their size. False: they cannot be reduced.</summary>
    public Func<bool> Reduce { get; init; } = static () => false;

    /// <summary>Called when they cannot be reduced any more.</summary>
    public Action GiveUp { get; init; } = static () => { };

    public static Decided Of(OwnedLane lane, Func<IReadOnlyList<CommitRecord>> write) => new(lane, write(), write);

    public Decided Again() => this with { Records = Write(), IsAlone = true };
}

using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Regularly checks whether Kafka answers, whether its topics are still the ones that this process has read, and whether their settings are as
/// expected. The state of a process is wrong once topics were deleted or created again, so the process must end.
/// </summary>
/// <param name="heldLimit">
/// How long a transaction can hold back committed records before there is a warning; null: 30 s, three times the broker's transaction timeout.
/// </param>
public sealed partial class TopicWatch(KafkaCluster cluster, TimeProvider clock, ILogger<TopicWatch> logger, TimeSpan? heldLimit = null)
{
    private const int DriftEvery = 12;   // rounds
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HeldLimit = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, string> _ids = [];
    private volatile Availability _availability = new(null, null);   // replaced as a whole: others read it without a lock
    private IReadOnlyList<string> _drift = [];
    private IReadOnlyList<string> _held = [];
    private Dictionary<TopicPartition, Held> _heldAt = [];

    /// <summary>Warnings for people, as sentences; the process continues.</summary>
    public IReadOnlyList<string> Warnings =>
        _availability.SilentSince is { } since
            ? [$"Kafka has not answered since {since:O}: until it does, nothing new is accepted or shown", .. _drift, .. _held]
            : [.. _drift, .. _held];

    /// <summary>For how long Kafka has answered every check; zero: it did not answer the last one.</summary>
    public TimeSpan AnsweringFor => _availability.AnsweringSince is { } since ? clock.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="TopicsGoneException">A topic was deleted or created again.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        var admin = cluster.Admin();
        var gone = "";
        try
        {
            for (var round = 0; ; round++)
            {
                try
                {
                    // A broker that has just started may not know its topics yet: only topics that are missing twice are gone.
                    var before = gone;
                    gone = await GoneAsync(admin, cancellationToken);
                    if (gone.Length > 0 && gone == before)
                        throw new TopicsGoneException(gone);
                    if (round % DriftEvery == 0 && !cluster.IsEmbedded)
                        _drift = await cluster.DriftAsync(admin, cancellationToken);
                    if (!cluster.IsEmbedded)
                        _held = await HeldAsync(admin, cancellationToken);
                    Answered();
                }
                catch (KafkaException exception)
                {
                    Silent(exception.Error.Reason);
                    admin.Discard();   // only this client may have stalled
                    admin = cluster.Admin();
                }
                await timer.WaitForNextTickAsync(cancellationToken);
            }
        }
        finally
        {
            admin.Dispose();
        }
    }

    /// <summary>The topics that were deleted or created again; empty: none.</summary>
    private async Task<string> GoneAsync(IAdminClient admin, CancellationToken cancellationToken)
    {
        if (cluster.IsEmbedded)
        {
            await admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = RequestTimeout }).WaitAsync(cancellationToken);
            return "";   // the mock cluster has no topic ids
        }
        // Any broker that answers names the current controller. Without this the client keeps asking the controller that it knows, without a pause
        // between its tries, even if that has died.
        await Task.Run(() => admin.GetMetadata(cluster.Topics.Control, RequestTimeout), cancellationToken);
        var names = TopicCollection.OfTopicNames(cluster.Topics.All.Select(topic => topic.Name));
        var gone = new List<string>();
        foreach (var topic in await DescribeAsync(admin, names, cancellationToken))
        {
            if (topic.Error.Code == ErrorCode.UnknownTopicOrPart)
                gone.Add($"{topic.Name} was deleted");
            else if (!topic.Error.IsError && !_ids.TryAdd(topic.Name, topic.TopicId.ToString()) && _ids[topic.Name] != topic.TopicId.ToString())
                gone.Add($"{topic.Name} was deleted and created again");
        }
        return string.Join(", ", gone);
    }

    /// <summary>
    /// Finds transactions that do not end, for example of a program that is not a worker, and that keep committed records from being read: the
    /// records are in the topic, but no reader gets them.
    /// </summary>
    private async Task<IReadOnlyList<string>> HeldAsync(IAdminClient admin, CancellationToken cancellationToken)
    {
        var committed = await EndsAsync(admin, IsolationLevel.ReadCommitted, cancellationToken);
        var all = await EndsAsync(admin, IsolationLevel.ReadUncommitted, cancellationToken);
        var now = clock.GetTimestamp();
        _heldAt = committed.Where(end => end.Value < all.GetValueOrDefault(end.Key))
            .ToDictionary(end => end.Key, end => _heldAt.TryGetValue(end.Key, out var held) && held.Offset == end.Value ? held : new Held(end.Value, now));
        List<string> warnings = [];
        foreach (var (partition, held) in _heldAt.Where(held => clock.GetElapsedTime(held.Value.Since, now) >= (heldLimit ?? HeldLimit)))
        {
            warnings.Add($"{partition} cannot be read beyond {held.Offset} of {all[partition]}: a transaction there does not end. Later records "
                + "are not lost, but not shown; kafka-transactions.sh find-hanging finds it, and can abort it");
            if (!held.IsLogged)
                LogHeld(logger, warnings[^1]);
            held.IsLogged = true;
        }
        return warnings;
    }

    private Task<Dictionary<TopicPartition, long>> EndsAsync(IAdminClient admin, IsolationLevel isolation, CancellationToken cancellationToken) =>
        admin.OffsetsAsync(Lanes().Select(lane => new TopicPartition(cluster.Topics.State, lane)), OffsetSpec.Latest(), isolation).WaitAsync(cancellationToken);

    private IEnumerable<int> Lanes() => Enumerable.Range(0, cluster.Topics.Lanes);

    private static async Task<IReadOnlyList<TopicDescription>> DescribeAsync(IAdminClient admin, TopicCollection names, CancellationToken cancellationToken)
    {
        try
        {
            var describing = admin.DescribeTopicsAsync(names, new DescribeTopicsOptions { RequestTimeout = RequestTimeout });
            return (await describing.WaitAsync(cancellationToken)).TopicDescriptions;
        }
        catch (DescribeTopicsException exception)
        {
            return exception.Results.TopicDescriptions;   // each with its own error
        }
    }

    private void Answered()
    {
        var before = _availability;
        _availability = new(before.AnsweringSince ?? clock.GetTimestamp(), null);
        if (before.SilentSince is { } since)
            LogAnswers(logger, since);
    }

    private void Silent(string reason)
    {
        var before = _availability;
        _availability = new(null, before.SilentSince ?? clock.GetUtcNow());
        if (before.SilentSince is null)
            LogSilent(logger, reason);
    }

    private sealed record Availability(long? AnsweringSince, DateTimeOffset? SilentSince);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka does not answer; running tasks continue and are recorded when it answers again: {Reason}")]
    private static partial void LogSilent(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Held}")]
    private static partial void LogHeld(ILogger logger, string held);

    [LoggerMessage(Level = LogLevel.Information, Message = "Kafka answers again, after no answer since {Since:O}")]
    private static partial void LogAnswers(ILogger logger, DateTimeOffset since);

    /// <summary>Since when committed records can be read only up to this offset.</summary>
    private sealed record Held(long Offset, long Since)
    {
        public bool IsLogged { get; set; }
    }
}

/// <summary>Topics that this process has read are gone. After a restart it creates missing topics, and starts with what is there.</summary>
public sealed class TopicsGoneException(string what) : Exception($"{what}: the state of this process is from topics that no longer exist");

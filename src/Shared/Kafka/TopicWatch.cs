using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Looks now and then whether Kafka answers, whether its topics are still the ones that this process has read, and whether their settings are right.
/// What a process remembers of topics that were deleted, or came back empty, is wrong: it must not outlive them.
/// </summary>
/// <param name="heldLimit">
/// How long a transaction may keep committed records from their readers before a person should know; null: 30 s, three times what the broker gives
/// it.
/// </param>
public sealed partial class TopicWatch(KafkaCluster cluster, TimeProvider clock, ILogger<TopicWatch> logger, TimeSpan? heldLimit = null)
{
    private const int DriftEvery = 12;   // rounds
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HeldLimit = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, string> _ids = [];
    private DateTimeOffset? _silentSince;
    private long? _answeringSince;
    private IReadOnlyList<string> _drift = [];
    private IReadOnlyList<string> _held = [];
    private Dictionary<TopicPartition, Held> _heldAt = [];

    /// <summary>What a person should know, in sentences; the process goes on all the same.</summary>
    public IReadOnlyList<string> Warnings =>
        _silentSince is { } since ? [$"Kafka has not answered since {since:O}: nothing new is taken or seen until it does", .. _drift, .. _held]
            : [.. _drift, .. _held];

    /// <summary>For how long Kafka has answered whatever it was asked here; zero: not the last time.</summary>
    public TimeSpan AnsweringFor => _answeringSince is { } since ? clock.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="TopicsGoneException">A topic was deleted, or is another one than before.</exception>
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
                    // A broker that has just started may not know its topics yet: only what is gone twice is gone.
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
                    admin.Discard();   // or it is only this client that stands still
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

    /// <summary>Which topics are not what they were; empty: all are.</summary>
    private async Task<string> GoneAsync(IAdminClient admin, CancellationToken cancellationToken)
    {
        if (cluster.IsEmbedded)
        {
            await admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = RequestTimeout }).WaitAsync(cancellationToken);
            return "";   // it gives topics no ids
        }
        // Whoever answers says who the controller is now. The client goes on asking the one it knows of, without a pause between its tries, also when
        // that has died.
        await Task.Run(() => admin.GetMetadata(cluster.Topics.Control, RequestTimeout), cancellationToken);
        var names = TopicCollection.OfTopicNames(cluster.Topics.All.Select(topic => topic.Name));
        var gone = new List<string>();
        foreach (var topic in await DescribeAsync(admin, names, cancellationToken))
        {
            if (topic.Error.Code == ErrorCode.UnknownTopicOrPart)
                gone.Add($"{topic.Name} was deleted");
            else if (!topic.Error.IsError && !_ids.TryAdd(topic.Name, topic.TopicId.ToString()) && _ids[topic.Name] != topic.TopicId.ToString())
                gone.Add($"{topic.Name} was deleted and made anew");
        }
        return string.Join(", ", gone);
    }

    /// <summary>
    /// Where a transaction that does not end, such as a program's that is no worker, keeps committed records from being read: all is in the topic,
    /// and nobody is told.
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
            warnings.Add($"{partition} cannot be read beyond {held.Offset} of {all[partition]}: a transaction there does not end. What ended behind it "
                + "is not lost and not shown; kafka-transactions.sh find-hanging names it, and aborts it");
            if (!held.IsLogged)
                LogHeld(logger, warnings[^1]);
            held.IsLogged = true;
        }
        return warnings;
    }

    private Task<Dictionary<TopicPartition, long>> EndsAsync(IAdminClient admin, IsolationLevel isolation, CancellationToken cancellationToken) =>
        admin.OffsetsAsync(Enumerable.Range(0, cluster.Topics.Lanes).Select(lane => new TopicPartition(cluster.Topics.State, lane)), OffsetSpec.Latest(
            ), isolation).WaitAsync(cancellationToken);

    private static async Task<IReadOnlyList<TopicDescription>> DescribeAsync(IAdminClient admin, TopicCollection names, CancellationToken cancellationToken)
    {
        try
        {
            return (await admin.DescribeTopicsAsync(names, new DescribeTopicsOptions { RequestTimeout = RequestTimeout }).WaitAsync(
                cancellationToken)).TopicDescriptions;
        }
        catch (DescribeTopicsException exception)
        {
            return exception.Results.TopicDescriptions;   // each with its own error
        }
    }

    private void Answered()
    {
        _answeringSince ??= clock.GetTimestamp();
        if (_silentSince is not { } since)
            return;
        LogAnswers(logger, since);
        _silentSince = null;
    }

    private void Silent(string reason)
    {
        _answeringSince = null;
        if (_silentSince is not null)
            return;
        _silentSince = clock.GetUtcNow();
        LogSilent(logger, reason);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka does not answer; what runs goes on, and is written when it does: {Reason}")]
    private static partial void LogSilent(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Held}")]
    private static partial void LogHeld(ILogger logger, string held);

    [LoggerMessage(Level = LogLevel.Information, Message = "Kafka answers again, as it did not since {Since:O}")]
    private static partial void LogAnswers(ILogger logger, DateTimeOffset since);

    /// <summary>Since when committed records are readable only up to there.</summary>
    private sealed record Held(long Offset, long Since)
    {
        public bool IsLogged { get; set; }
    }
}

/// <summary>Topics that this process has read are gone. Started again, it makes those that are missing, and begins with what is there.</summary>
public sealed class TopicsGoneException(string what) : Exception($"{what}: what this process knows is of topics that are no more");

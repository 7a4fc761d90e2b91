using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Reporting;

namespace TaskPipeline.TaskWorker.Consuming;

/// <summary>
/// Makes assigned partitions owned lanes, in an order that matters: the committed offset (which waits for what a dead owner's transaction
/// left pending), then the committed state, then the claim, then the barrier behind which nobody else is heard, then the log up to that
/// barrier. Claiming before the offset would let tasks end twice. Runs on the poll thread.
/// </summary>
internal sealed partial class LaneClaims(KafkaCluster cluster, ProgressLog log, string worker, TimeProvider clock, ILogger<LaneClaims> logger) : IDisposable
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);

    private readonly Topics _topics = cluster.Topics;
    private readonly Lazy<IConsumer<byte[]?, byte[]?>> _stateReader = new(() => cluster.TailConsumer(cluster.IsEmbedded ? IsolationLevel.ReadUncommitted : IsolationLevel.ReadCommitted));
    private readonly Lazy<IConsumer<byte[]?, byte[]?>> _logReader = new(() => cluster.TailConsumer(IsolationLevel.ReadUncommitted));

    /// <exception cref="FencedException">The group has moved on; the lanes are not ours.</exception>
    /// <exception cref="KafkaException">Kafka did not answer in time; claiming again is safe.</exception>
    public IReadOnlyList<OwnedLane> Claim(IConsumer<byte[]?, byte[]?> consumer, ILaneCommit commit, IReadOnlyCollection<int> partitions)
    {
        var committed = consumer.Committed(partitions.Select(partition => new TopicPartition(_topics.Tasks, partition)), CallTimeout)
            .ToDictionary(offset => offset.Partition.Value, offset => Math.Max(0, offset.Offset.Value));
        var found = ReadState(partitions);

        var owner = Guid.NewGuid().ToString("N")[..12];
        var claimed = partitions.ToDictionary(partition => partition, partition =>
        {
            var before = found[partition].State ?? Unclaimed(partition);
            return before with { Epoch = before.Epoch + 1, Owner = owner, Worker = worker, Next = Math.Max(before.Next, committed[partition]) };
        });
        commit.Commit(consumer,
            [.. claimed.Values.Select(state => new CommitRecord(_topics.State, state.Lane, LaneState.Key(state.Lane), TaskJson.Encode(state)))],
            [.. claimed.Values.Select(state => new TopicPartitionOffset(_topics.Tasks, state.Lane, state.Next))]);

        var barriers = claimed.Values.ToDictionary(state => state.Lane, state => log.AppendAsync(state.Lane, new LaneBarrier
        {
            Lane = state.Lane,
            Epoch = state.Epoch,
            Owner = owner,
            Worker = worker,
            At = clock.GetUtcNow(),
        }));
        Task.WhenAll(barriers.Values).WaitAsync(CallTimeout).GetAwaiter().GetResult();

        var logs = ReadLogs(claimed, barriers.ToDictionary(barrier => barrier.Key, barrier => barrier.Value.Result));
        // Only where no transaction orders the claims can another's barrier have come in between.
        if (claimed.Values.FirstOrDefault(state => logs[state.Lane].InForce != new Claim(state.Epoch, owner)) is { } overtaken)
            throw new KafkaException(new Error(ErrorCode.Local_State, $"another claim of lane {overtaken.Lane} came in between"));
        return [.. claimed.Values.Select(state =>
        {
            var lane = logs[state.Lane];
            foreach (var ended in found[state.Lane].Ended)
                lane.Forget(ended);
            LogClaimed(logger, state.Lane, state.Epoch, state.Next, lane.Stories.Count);
            return new OwnedLane(state.Lane, new Claim(state.Epoch, owner), lane, found[state.Lane].Ended, state.Next);
        })];
    }

    public void Dispose()
    {
        if (_stateReader.IsValueCreated)
            _stateReader.Value.Dispose();
        if (_logReader.IsValueCreated)
            _logReader.Value.Dispose();
    }

    private static LaneState Unclaimed(int partition) => new() { Lane = partition, Epoch = 0, Owner = "", Worker = "" };

    /// <summary>The committed table of each lane: who claimed it last, and which tasks have ended.</summary>
    private Dictionary<int, LaneTable> ReadState(IReadOnlyCollection<int> partitions)
    {
        var tables = partitions.ToDictionary(partition => partition, _ => new LaneTable());
        Read(_stateReader.Value, partitions.Select(partition => new TopicPartitionOffset(_topics.State, partition, Offset.Beginning)), result =>
        {
            var key = result.Message.Key is null ? "" : System.Text.Encoding.UTF8.GetString(result.Message.Key);
            var table = tables[result.Partition.Value];
            if (key.StartsWith(LaneState.KeyPrefix, StringComparison.Ordinal))
            {
                if (result.Message.Value is not null && TaskJson.TryDecodeLane(result.Message.Value, out var state, out _))
                    table.State = state;
            }
            else if (result.Message.Value is null)
                table.Ended.Remove(key);
            else if (TaskJson.TryDecodeState(result.Message.Value, out var ended, out _) && ended!.Status.IsEnd())
                table.Ended.Add(key);
        }, isLast: result => result.IsPartitionEOF);
        return tables;
    }

    private Dictionary<int, LaneLog> ReadLogs(Dictionary<int, LaneState> claimed, Dictionary<int, long> barriers)
    {
        var logs = claimed.ToDictionary(claim => claim.Key, claim =>
            new LaneLog(claim.Value.FromOwner is null ? null : new Claim(claim.Value.FromEpoch, claim.Value.FromOwner)));
        Read(_logReader.Value, claimed.Values.Select(state => new TopicPartitionOffset(_topics.Progress, state.Lane, state.From)), result =>
        {
            if (result.Message.Value is not null && TaskJson.TryDecodeProgress(result.Message.Value, out var record, out _))
                logs[result.Partition.Value].Apply(record!, result.Offset.Value);
        }, isLast: result => result.Offset.Value >= barriers[result.Partition.Value]);
        return logs;
    }

    private static void Read(
        IConsumer<byte[]?, byte[]?> reader, IEnumerable<TopicPartitionOffset> from, Action<ConsumeResult<byte[]?, byte[]?>> take, Predicate<ConsumeResult<byte[]?, byte[]?>> isLast)
    {
        var open = from.ToList();
        reader.Assign(open);
        var left = open.Select(offset => offset.Partition.Value).ToHashSet();
        while (left.Count > 0)
        {
            var result = reader.Consume(CallTimeout) ?? throw new KafkaException(new Error(ErrorCode.Local_TimedOut, "the lane's log does not come"));
            if (!left.Contains(result.Partition.Value))
                continue;
            if (!result.IsPartitionEOF)
                take(result);
            if (isLast(result))
                left.Remove(result.Partition.Value);
        }
        reader.Unassign();
    }

    private sealed class LaneTable
    {
        public LaneState? State { get; set; }
        public HashSet<string> Ended { get; } = [];
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Lane {Partition} is ours, epoch {Epoch}, from offset {Offset}, {Count} tasks under way")]
    private static partial void LogClaimed(ILogger logger, int partition, long epoch, long offset, int count);
}

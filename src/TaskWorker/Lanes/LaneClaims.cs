using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// Makes assigned partitions owned lanes. The order matters: first the committed offset (which waits for a dead owner's pending transaction), then
/// the committed state up to that time, then the claim, then the log up to now for attempts that continue elsewhere, then the barrier (after it only
/// this claim and the attempts that it keeps are valid), then the log up to that barrier. A claim before the offset would let tasks end twice.
/// </summary>
internal sealed partial class LaneClaims(
    KafkaCluster cluster,
    GroupMember member,
    Committer committer,
    ProgressLog log,
    StopSignals stops,
    string worker,
    TimeProvider clock,
    ILogger<LaneClaims> logger) : IDisposable
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);

    private readonly Topics _topics = cluster.Topics;
    private readonly RecordHandling _handling = cluster.NewHandling();
    private IConsumer<byte[]?, byte[]?>? _stateReader;
    private IConsumer<byte[]?, byte[]?>? _logReader;

    private IConsumer<byte[]?, byte[]?> StateReader =>
        _stateReader ??= cluster.TailConsumer(cluster.IsEmbedded ? IsolationLevel.ReadUncommitted : IsolationLevel.ReadCommitted, isUrgent: true);

    private IConsumer<byte[]?, byte[]?> LogReader => _logReader ??= cluster.TailConsumer(IsolationLevel.ReadUncommitted, isUrgent: true);

    /// <summary>Takes as long as Kafka takes, outside of the worker's loop. One call at a time.</summary>
    /// <param name="metadata">The group metadata from when the partitions were assigned.</param>
    /// <param name="running">The attempt that this worker runs, under any claim: it continues.</param>
    /// <exception cref="FencedException">The group has a newer generation; the lanes are not ours.</exception>
    /// <exception cref="KafkaException">Kafka did not answer in time; the claim can be repeated.</exception>
    public async Task<IReadOnlyList<OwnedLane>> ClaimAsync(IReadOnlyCollection<int> partitions, IConsumerGroupMetadata metadata, KeptAttempt? running)
    {
        await Task.Yield();
        try
        {
            return await TryAsync(partitions, metadata, running);
        }
        catch (KafkaException)
        {
            // Whatever the cause, the next try gets new readers: the current ones may have stalled.
            _stateReader?.Discard();
            _logReader?.Discard();
            (_stateReader, _logReader) = (null, null);
            throw;
        }
    }

    private async Task<IReadOnlyList<OwnedLane>> TryAsync(IReadOnlyCollection<int> partitions, IConsumerGroupMetadata metadata, KeptAttempt? running)
    {
        var committed = member.Committed(partitions, CallTimeout);
        await stops.HaveReadAllAsync(CancellationToken.None).WaitAsync(CallTimeout);   // includes the lanes of tasks that earlier owners have published
        var found = ReadState(partitions);
        var owner = Guid.NewGuid().ToString("N")[..12];
        var claimed = partitions.ToDictionary(partition => partition, partition =>
        {
            var before = found[partition].State ?? new LaneState { Lane = partition, Epoch = 0, Owner = "", Worker = "" };
            return before with { Epoch = before.Epoch + 1, Owner = owner, Worker = worker, Next = Math.Max(before.Next, committed[partition]) };
        });
        await committer.CommitAsync(new Batch(
            metadata,
            [.. claimed.Values.Select(state => new CommitRecord(_topics.State, state.Lane, LaneState.Key(state.Lane), TaskJson.Encode(state)))],
            [.. claimed.Values.Select(state => new TopicPartitionOffset(_topics.Tasks, state.Lane, state.Next))]));
        CrashPoint.Reach(CrashPoint.Claimed);

        var logs = claimed.ToDictionary(claim => claim.Key, claim => Begin(claim.Value, found[claim.Key]));
        // An earlier owner that handed an attempt over did so before the lane could be ours. The ends are queried before anything is fetched: a query
        // waits for a running fetch, which can take half a second.
        var ends = claimed.Keys.ToDictionary(
            lane => lane,
            lane => LogReader.QueryWatermarkOffsets(new TopicPartition(_topics.Progress, lane), CallTimeout).High - 1);
        var reading = Read(LogReader, claimed.Values.Select(state => new TopicPartitionOffset(_topics.Progress, state.Lane, state.From)));
        ReadLogs(reading, logs, ends);
        var barriers = await Task.WhenAll(claimed.Values.Select(async state =>
        {
            var barrier = new LaneBarrier
            {
                Lane = state.Lane,
                Epoch = state.Epoch,
                Owner = owner,
                Worker = worker,
                At = clock.GetUtcNow(),
                Keeps = [.. logs[state.Lane].HandedOver.Union(running is not null && IsOpen(logs[state.Lane], running) ? [running] : [])],
            };
            return (state.Lane, Barrier: barrier, Offset: await log.AppendAsync(state.Lane, barrier));
        })).WaitAsync(CallTimeout);
        CrashPoint.Reach(CrashPoint.Barrier);
        ReadLogs(reading, logs, barriers.ToDictionary(barrier => barrier.Lane, barrier => barrier.Offset));
        LogReader.Unassign();

        // Without transactions, which order the claims, another claim's barrier can come in between.
        if (claimed.Values.FirstOrDefault(state => logs[state.Lane].InForce != new Claim(state.Epoch, owner)) is { } overtaken)
            throw new KafkaException(new Error(ErrorCode.Local_State, $"another claim of lane {overtaken.Lane} was made at the same time"));
        return [.. barriers.Select(barrier =>
        {
            var state = claimed[barrier.Lane];
            var claim = new Claim(state.Epoch, owner);
            var lane = new OwnedLane(barrier.Lane, claim, logs[barrier.Lane], found[barrier.Lane].Ended, state.Next, barrier.Barrier.At);
            foreach (var kept in barrier.Barrier.Keeps)
                lane.Kept[kept] = clock.GetTimestamp();
            LogClaimed(logger, state.Lane, state.Epoch, state.Next, lane.Log.Stories.Count, lane.Kept.Count);
            return lane;
        })];
    }

    public void Dispose()
    {
        _stateReader?.Dispose();
        _logReader?.Dispose();
    }

    private static bool IsOpen(LaneLog log, KeptAttempt attempt) =>
        log.Stories.TryGetValue(attempt.TaskId, out var story) && story.IsOpen && story.Attempts[^1].Attempt == attempt.Attempt;

    private static LaneLog Begin(LaneState state, LaneTable table)
    {
        var log = new LaneLog(state.FromOwner is null ? null : new Claim(state.FromEpoch, state.FromOwner));
        foreach (var waiting in table.Waiting.Values)
            log.Settle(waiting);
        return log;
    }

    /// <summary>
    /// The committed table of each lane: its last claim, ended tasks, and tasks that wait for an attempt. An open transaction hides later commits from
    /// the reader, so the end to reach is that of the uncommitted records; it is reached when the transaction is over, at the latest by its timeout.
    /// </summary>
    private Dictionary<int, LaneTable> ReadState(IReadOnlyCollection<int> partitions)
    {
        var tables = partitions.ToDictionary(partition => partition, _ => new LaneTable());
        var ends = partitions.ToDictionary(
            partition => partition,
            partition => LogReader.QueryWatermarkOffsets(new TopicPartition(_topics.State, partition), CallTimeout).High.Value);
        var left = partitions.ToHashSet();
        var reading = Read(StateReader, partitions.Select(partition => new TopicPartitionOffset(_topics.State, partition, Offset.Beginning)));
        foreach (var result in reading)
        {
            if (!result.IsPartitionEOF)
                tables[result.Partition.Value].Take(result.Message);
            else if (result.Offset.Value >= ends[result.Partition.Value])
                left.Remove(result.Partition.Value);
            if (left.Count == 0)
                break;
        }
        StateReader.Unassign();
        return tables;
    }

    /// <summary>Continues reading until each lane's log has been read up to an offset.</summary>
    private void ReadLogs(IEnumerable<ConsumeResult<byte[]?, byte[]?>> reading, Dictionary<int, LaneLog> logs, Dictionary<int, long> upTo)
    {
        var left = upTo.Where(lane => lane.Value >= logs[lane.Key].EndOfLog).Select(lane => lane.Key).ToHashSet();
        if (left.Count == 0)
            return;
        foreach (var result in reading)
        {
            var lane = result.Partition.Value;
            if (!result.IsPartitionEOF)
                Apply(logs[lane], result);
            // At a partition's end the offset of a transaction marker, which is never delivered, has been passed too.
            if (result.IsPartitionEOF ? result.Offset.Value > upTo[lane] : result.Offset.Value >= upTo[lane])
                left.Remove(lane);
            if (left.Count == 0)
                return;
        }
    }

    private void Apply(LaneLog log, ConsumeResult<byte[]?, byte[]?> result) => _handling.Handle(result, read =>
    {
        if (read.Message.Value is not null && TaskJson.TryDecodeProgress(read.Message.Value, out var record, out _))
            log.Apply(record!, read.Offset.Value);
    });

    /// <summary>Each enumeration continues where the last one ended.</summary>
    private static IEnumerable<ConsumeResult<byte[]?, byte[]?>> Read(IConsumer<byte[]?, byte[]?> reader, IEnumerable<TopicPartitionOffset> from)
    {
        reader.Assign(from);
        return Rest();

        IEnumerable<ConsumeResult<byte[]?, byte[]?>> Rest()
        {
            while (true)
                yield return reader.Consume(CallTimeout) ?? throw new KafkaException(
                    new Error(ErrorCode.Local_TimedOut, "the lane's records do not arrive: their broker does not answer, or a transaction is still open"));
        }
    }

    private sealed class LaneTable
    {
        public LaneState? State { get; private set; }
        public Dictionary<string, EndedTask> Ended { get; } = [];
        public Dictionary<string, TaskState> Waiting { get; } = [];

        public void Take(Message<byte[]?, byte[]?> message)
        {
            var key = message.Key is null ? "" : Encoding.UTF8.GetString(message.Key);
            if (key.StartsWith(LaneState.KeyPrefix, StringComparison.Ordinal))
            {
                if (message.Value is not null && TaskJson.TryDecodeLane(message.Value, out var lane, out _))
                    State = lane;
                return;
            }
            Ended.Remove(key);
            Waiting.Remove(key);
            if (message.Value is null || !TaskJson.TryDecodeState(message.Value, out var task, out _))
                return;
            if (task!.Status.IsEnd())
                Ended[key] = new EndedTask(task.At, task.Stop is not null);
            else
                Waiting[key] = task;
        }
    }

    [LoggerMessage(Level = LogLevel.Debug,
        Message = "Lane {Partition} is ours, epoch {Epoch}, from offset {Offset}, {Count} tasks in progress, {Kept} of them elsewhere")]
    private static partial void LogClaimed(ILogger logger, int partition, long epoch, long offset, int count, int kept);
}

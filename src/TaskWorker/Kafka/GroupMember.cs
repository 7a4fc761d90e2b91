using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// This worker's membership in its group, which says whose each lane is and nothing more: records are fetched by <see cref="LaneReader"/>. It belongs
/// to the worker's loop; the handlers run within <see cref="Poll"/> and <see cref="Close"/>.
/// </summary>
internal sealed partial class GroupMember : IDisposable
{
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly IConsumer<byte[]?, byte[]?> _consumer;
    private readonly HashSet<TopicPartition> _paused = [];
    private readonly string _topic;
    private readonly ILogger _logger;

    public GroupMember(
        KafkaCluster cluster,
        Action<IReadOnlyList<int>> assigned,
        Action<IReadOnlyList<int>> revoked,
        Action<IReadOnlyList<int>> lost,
        ILogger<GroupMember> logger)
    {
        _topic = cluster.Topics.Tasks;
        _logger = logger;
        _consumer = cluster.WorkerConsumer()
            .SetPartitionsAssignedHandler((_, partitions) => assigned([.. partitions.Select(partition => partition.Partition.Value)]))
            .SetPartitionsRevokedHandler((_, partitions) => revoked([.. partitions.Select(partition => partition.Partition.Value)]))
            .SetPartitionsLostHandler((_, partitions) => lost([.. partitions.Select(partition => partition.Partition.Value)]))
            .Build();
    }

    /// <summary>Who we are in the group now. Lanes known to be ours at this moment can be written with it, and with no later one once they are not.</summary>
    public IConsumerGroupMetadata Metadata => _consumer.ConsumerGroupMetadata;

    public bool IsJoined { get; private set; }

    public void Join()
    {
        _consumer.Subscribe(_topic);
        IsJoined = true;
    }

    /// <summary>Gives every lane up, at once, but stays a process that runs a task.</summary>
    public void Leave()
    {
        _consumer.Unsubscribe();
        IsJoined = false;
    }

    /// <summary>Hears the group.</summary>
    public void Poll()
    {
        try
        {
            while (_consumer.Consume(TimeSpan.Zero) is not null)
            {
                // Fetched before the pause below; the reader has it too.
            }
        }
        catch (ConsumeException exception) when (!exception.Error.IsFatal)
        {
            LogPoll(_logger, exception.Error.Code, exception.Error.Reason);
        }
        // A pause outlives revocation and reassignment: what is assigned anew is unpaused only the first time.
        var open = _consumer.Assignment.Where(partition => !_paused.Contains(partition)).ToList();
        if (open.Count == 0)
            return;
        _consumer.Pause(open);
        _paused.UnionWith(open);
    }

    /// <summary>Waits for what a dead owner's transaction left pending.</summary>
    public Dictionary<int, long> Committed(IEnumerable<int> lanes, TimeSpan timeout)
    {
        try
        {
            return _consumer.Committed(lanes.Select(lane => new TopicPartition(_topic, lane)), timeout)
                .ToDictionary(offset => offset.Partition.Value, offset => Math.Max(0, offset.Offset.Value));
        }
        catch (KafkaException exception) when (exception.Error.Code == ErrorCode.Local_TimedOut)
        {
            throw new KafkaException(new Error(
                ErrorCode.Local_TimedOut, "the broker does not tell the committed offsets: it is away, or a transaction of an earlier owner is still pending"));
        }
    }

    public void CommitOffsets(IEnumerable<TopicPartitionOffset> offsets) => _consumer.Commit(offsets);

    /// <summary>Tells the group at once. That can hang when the coordinator is away; then the session's end tells it.</summary>
    public void Close()
    {
        if (!Task.Run(_consumer.Close, CancellationToken.None).Wait(CloseTimeout, CancellationToken.None))
            LogNotLeft(_logger);
    }

    public void Dispose() => _consumer.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Polling: {Code}, {Reason}")]
    private static partial void LogPoll(ILogger logger, ErrorCode code, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka did not take the good-bye; the lanes move when the session ends")]
    private static partial void LogNotLeft(ILogger logger);
}

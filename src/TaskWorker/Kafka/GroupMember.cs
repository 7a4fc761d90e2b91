using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// This worker's membership in its group, used only to assign lanes: <see cref="LaneReader"/> fetches the records. Only the worker's loop uses it;
/// the handlers run within <see cref="Poll"/> and <see cref="Close"/>.
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

    /// <summary>
    /// The current group metadata. It can be used to write lanes that are ours at this moment; after a lane is lost, newer metadata must not be used for it.
    /// </summary>
    public IConsumerGroupMetadata Metadata => _consumer.ConsumerGroupMetadata;

    public bool IsJoined { get; private set; }

    public void Join()
    {
        _consumer.Subscribe(_topic);
        IsJoined = true;
    }

    /// <summary>Gives up every lane at once; the process keeps running its task.</summary>
    public void Leave()
    {
        _consumer.Unsubscribe();
        IsJoined = false;
    }

    /// <summary>Handles group events.</summary>
    public void Poll()
    {
        try
        {
            while (_consumer.Consume(TimeSpan.Zero) is not null)
            {
                // Fetched before the pause below; the lane reader reads these records too.
            }
        }
        catch (ConsumeException exception) when (!exception.Error.IsFatal)
        {
            LogPoll(_logger, exception.Error.Code, exception.Error.Reason);
        }
        // A pause survives revocation and reassignment: only a partition assigned for the first time is not paused.
        var open = _consumer.Assignment.Where(partition => !_paused.Contains(partition)).ToList();
        if (open.Count == 0)
            return;
        _consumer.Pause(open);
        _paused.UnionWith(open);
    }

    /// <summary>Waits for a pending transaction of a dead owner.</summary>
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
                ErrorCode.Local_TimedOut,
                "the broker does not return the committed offsets: it does not answer, or a transaction of an earlier owner is still pending"));
        }
    }

    public void CommitOffsets(IEnumerable<TopicPartitionOffset> offsets) => _consumer.Commit(offsets);

    /// <summary>Leaves the group at once. That can hang if the coordinator does not answer; then the lanes move when the session expires.</summary>
    public void Close()
    {
        if (!Task.Run(_consumer.Close, CancellationToken.None).Wait(CloseTimeout, CancellationToken.None))
            LogNotLeft(_logger);
    }

    public void Dispose() => _consumer.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Polling: {Code}, {Reason}")]
    private static partial void LogPoll(ILogger logger, ErrorCode code, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka did not acknowledge leaving the group; the lanes move when the session expires")]
    private static partial void LogNotLeft(ILogger logger);
}

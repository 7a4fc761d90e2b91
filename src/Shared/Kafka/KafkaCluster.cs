using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// The Kafka cluster of this process: what kind it is, its topics, and clients with the settings that each role needs.
/// Clients may be made only after <see cref="ConnectAsync"/> has come back.
/// </summary>
public sealed partial class KafkaCluster(IOptions<KafkaOptions> options, ILogger<KafkaCluster> logger) : IDisposable
{
    public const int MaxRecordBytes = 2 * 1024 * 1024;

    /// <summary>
    /// A broker that has just started may answer that there are no brokers. The client (seen with 2.15) then forgets all that it knows, and does nothing
    /// more until it begins again at its bootstrap servers: by default after five minutes.
    /// </summary>
    public const int RebootstrapMs = 5_000;

    private static readonly TimeSpan AdminTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MostHeartbeatInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    private readonly KafkaOptions _options = options.Value;
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Topics Topics { get; } = new(options.Value);

    /// <summary>librdkafka's mock cluster: no transactions, no compaction, everything in memory.</summary>
    public bool IsEmbedded { get; private set; }

    public string ClusterId { get; private set; } = "";

    /// <summary>Which records are passed over because processes have died at them; null: that is switched off, or not possible.</summary>
    public RecordGuard? Guard { get; private set; }

    /// <summary>Completes once the cluster was reached and its topics are right; fails if they never can be.</summary>
    public Task Connected => _connected.Task;

    /// <summary>
    /// Waits for the cluster as long as it takes, creates the topics that are missing and checks the others.
    /// Throws <see cref="TopicMismatchException"/> where they can't be used.
    /// </summary>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        using var admin = Admin();
        while (true)
        {
            try
            {
                var description = await admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = AdminTimeout }).WaitAsync(cancellationToken);
                ClusterId = description.ClusterId ?? "";
                IsEmbedded = ClusterId.StartsWith("mockCluster", StringComparison.Ordinal);
                if (!IsEmbedded)
                    await CreateMissingAsync(admin, cancellationToken);
                CheckPartitions(admin);
                if (!IsEmbedded)
                    foreach (var drift in await DriftAsync(admin, cancellationToken))
                        LogDrift(logger, drift);
                Guard ??= OpenGuard();
                LogConnected(logger, _options.BootstrapServers, ClusterId, IsEmbedded ? "embedded, in memory" : "Kafka");
                _connected.TrySetResult();
                return;
            }
            catch (TopicMismatchException mismatch)
            {
                _connected.TrySetException(mismatch);
                throw;
            }
            catch (KafkaException exception)
            {
                LogUnreachable(logger, _options.BootstrapServers, exception.Error.Reason);
                await Task.Delay(RetryPause, cancellationToken);
            }
        }
    }

    public IAdminClient Admin() => new AdminClientBuilder(Config(new AdminClientConfig())).SetLogHandler(Log).SetErrorHandler((_, _) => { }).Build();

    /// <summary>Which settings of the topics are others than they are meant to be.</summary>
    /// <exception cref="KafkaException">Kafka did not answer.</exception>
    public async Task<IReadOnlyList<string>> DriftAsync(IAdminClient admin, CancellationToken cancellationToken)
    {
        var resources = Topics.All.Select(topic => new ConfigResource { Name = topic.Name, Type = ResourceType.Topic });
        var described = await admin.DescribeConfigsAsync(resources, new DescribeConfigsOptions { RequestTimeout = AdminTimeout }).WaitAsync(cancellationToken);
        return
        [
            .. from topic in Topics.All
               join result in described on topic.Name equals result.ConfigResource.Name
               from wanted in topic.Config
               where result.Entries.TryGetValue(wanted.Key, out var actual) && actual.Value != wanted.Value
               select $"topic {topic.Name} has {wanted.Key}={result.Entries[wanted.Key].Value}, where {wanted.Value} is meant",
        ];
    }

    /// <summary>For a process that reads a whole topic by itself, without a group.</summary>
    /// <param name="isUrgent">Somebody waits for the end of what is there, which is told by an answer without records: such a one then comes at once.</param>
    public IConsumer<byte[]?, byte[]?> TailConsumer(IsolationLevel isolation, bool isUrgent = false) => Build(new ConsumerConfig(OutsideOfGroup(isolation))
    {
        FetchMinBytes = 1,
        FetchWaitMaxMs = IsEmbedded || isUrgent ? 10 : 500,   // the mock cluster sleeps it out even when data comes
        QueuedMaxMessagesKbytes = 16 * 1024,
        FetchMaxBytes = 2 * MaxRecordBytes,       // compressed; an answer is unpacked as a whole, whatever is queued already
    }).Build();

    /// <summary>For reading a stretch of a partition again, whatever its transactions have come to.</summary>
    public IConsumer<byte[]?, byte[]?> RangeConsumer() => Build(new ConsumerConfig(OutsideOfGroup(IsolationLevel.ReadUncommitted))
    {
        FetchWaitMaxMs = 10,
        MaxPartitionFetchBytes = MaxRecordBytes,
        QueuedMaxMessagesKbytes = 4 * 1024,   // what is fetched beyond the stretch is thrown away
    }).Build();

    /// <summary>For a member of the worker group. Little is fetched ahead: a worker that is busy pauses and throws it away.</summary>
    public ConsumerBuilder<byte[]?, byte[]?> WorkerConsumer() => Build(new ConsumerConfig
    {
        GroupId = Topics.WorkerGroup,
        GroupProtocol = GroupProtocol.Classic,
        PartitionAssignmentStrategy = PartitionAssignmentStrategy.CooperativeSticky,
        SessionTimeoutMs = (int)_options.SessionTimeout.TotalMilliseconds,
        // how soon a member hears of a rebalance
        HeartbeatIntervalMs = (int)Math.Min(_options.SessionTimeout.TotalMilliseconds / 4, MostHeartbeatInterval.TotalMilliseconds),
        MaxPollIntervalMs = (int)Math.Max(_options.MaxPollInterval.TotalMilliseconds, _options.SessionTimeout.TotalMilliseconds),
        EnableAutoCommit = false,
        EnableAutoOffsetStore = false,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        IsolationLevel = IsolationLevel.ReadCommitted,
        QueuedMinMessages = 1,
        QueuedMaxMessagesKbytes = 1024,
        FetchMaxBytes = MaxRecordBytes,
        MaxPartitionFetchBytes = 16 * 1024,
        FetchWaitMaxMs = IsEmbedded ? 10 : 500,
        FetchQueueBackoffMs = 5,
    });

    /// <summary>Keeps the order and never gives up on a record: what is handed to it arrives once, however long the brokers are away.</summary>
    public IProducer<byte[]?, byte[]?> OrderedProducer() => Build(new ProducerConfig
    {
        Acks = Acks.All,
        EnableIdempotence = true,
        LingerMs = 0,
        MessageTimeoutMs = 0,
        CompressionType = CompressionType.Lz4,
        MessageMaxBytes = MaxRecordBytes,
    });

    /// <summary>Gives up after <paramref name="timeout"/>, for callers that have somebody waiting.</summary>
    public IProducer<byte[]?, byte[]?> RequestProducer(TimeSpan timeout) => Build(new ProducerConfig
    {
        Acks = Acks.All,
        EnableIdempotence = true,
        LingerMs = 0,
        MessageTimeoutMs = (int)timeout.TotalMilliseconds,
        CompressionType = CompressionType.Lz4,
        MessageMaxBytes = MaxRecordBytes,
    });

    public IProducer<byte[]?, byte[]?> TransactionalProducer(string transactionalId) => Build(new ProducerConfig
    {
        TransactionalId = Topics.WorkerGroup + "." + transactionalId,
        TransactionTimeoutMs = 10_000,
        MessageTimeoutMs = 10_000,
        LingerMs = 0,
        RetryBackoffMs = 1,   // the wait for the markers of the transaction before: 5 ms instead of 100
        RetryBackoffMaxMs = 20,
        MessageMaxBytes = MaxRecordBytes,
    });

    /// <summary>Gives up a client that does not do its work any more.</summary>
    public void Replace(IClient stalled, string place)
    {
        LogStalled(logger, stalled.Name, place);
        stalled.Discard();
    }

    public void Dispose() => Guard?.Dispose();

    /// <summary>For one thread, or for several of which only one is at work at a time.</summary>
    public RecordHandling NewHandling() => new(this, Guard);

    /// <summary>Says that a record was passed over because nobody could handle it.</summary>
    public void Skip(ConsumeResult<byte[]?, byte[]?> record, Exception exception) =>
        LogSkipped(logger, exception, record.Topic, record.Partition.Value, record.Offset.Value);

    private RecordGuard? OpenGuard()
    {
        if (string.IsNullOrEmpty(_options.HandlingDirectory))
            return null;
        try
        {
            return new RecordGuard(
                _options.HandlingDirectory, ClusterId, [.. Topics.All.Select(topic => topic.Name)], _options.CrashOn, TimeProvider.System, logger);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogUnguarded(logger, _options.HandlingDirectory, exception.Message);
            return null;
        }
    }

    private ConsumerConfig OutsideOfGroup(IsolationLevel isolation) => new()
    {
        GroupId = Topics.TailGroup,   // never joined
        IsolationLevel = isolation,
        EnableAutoCommit = false,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        EnablePartitionEof = true,
        FetchQueueBackoffMs = 1,      // the default of 1 s stalls a replay each time the queue is full
    };

    private async Task CreateMissingAsync(IAdminClient admin, CancellationToken cancellationToken)
    {
        var existing = admin.GetMetadata(AdminTimeout).Topics.Select(topic => topic.Topic).ToHashSet();
        var missing = Topics.All.Where(topic => !existing.Contains(topic.Name)).ToList();
        if (missing.Count == 0)
            return;
        try
        {
            await admin.CreateTopicsAsync(missing.Select(topic => new TopicSpecification
            {
                Name = topic.Name,
                NumPartitions = topic.Partitions,
                ReplicationFactor = _options.ReplicationFactor,
                Configs = new(topic.Config),
            })).WaitAsync(cancellationToken);
        }
        catch (CreateTopicsException exception) when (exception.Results.All(result => result.Error.Code is ErrorCode.NoError or ErrorCode.TopicAlreadyExists))
        {
            // Another process of ours was faster.
        }
        var created = string.Join(", ", missing.Select(topic => topic.Name));
        LogCreated(logger, created);
    }

    private void CheckPartitions(IAdminClient admin)
    {
        // The metadata of a topic that was just created needs a moment to reach every broker: an absent one is asked for again.
        for (var attempt = 1; ; attempt++)
        {
            var found = admin.GetMetadata(AdminTimeout).Topics.ToDictionary(topic => topic.Topic, topic => topic.Partitions.Count);
            var wrong = Topics.All.Where(topic => found.TryGetValue(topic.Name, out var count) && count > 0 && count != topic.Partitions).ToList();
            if (wrong.Count > 0)
                throw new TopicMismatchException(string.Join("; ", wrong.Select(topic =>
                    $"topic {topic.Name} has {found[topic.Name]} partitions where {topic.Partitions} are configured (Kafka:Partitions): set that "
                    + "number, or take a new Kafka:TopicPrefix")));
            var absent = Topics.All.Where(topic => found.GetValueOrDefault(topic.Name) == 0).Select(topic => topic.Name).ToList();
            if (absent.Count == 0)
                return;
            if (attempt == 50)
                throw new KafkaException(new Error(ErrorCode.UnknownTopicOrPart, $"topics are missing: {string.Join(", ", absent)}"));
            Thread.Sleep(100);
        }
    }

    private ConsumerBuilder<byte[]?, byte[]?> Build(ConsumerConfig config) =>
        new ConsumerBuilder<byte[]?, byte[]?>(Config(config)).SetLogHandler((_, message) => Log(message)).SetErrorHandler((_, error) => OnError(error));

    private IProducer<byte[]?, byte[]?> Build(ProducerConfig config) =>
        new ProducerBuilder<byte[]?, byte[]?>(Config(config)).SetLogHandler((_, message) => Log(message)).SetErrorHandler((_, error) => OnError(error)).Build();

    private T Config<T>(T config) where T : ClientConfig
    {
        config.BootstrapServers = _options.BootstrapServers;
        config.AllowAutoCreateTopics = false;
        config.SocketNagleDisable = true;
        config.ReconnectBackoffMs = 50;
        config.ReconnectBackoffMaxMs = 1000;
        config.MetadataRecoveryRebootstrapTriggerMs = RebootstrapMs;
        foreach (var (key, value) in _options.Properties)
            config.Set(key, value);
        return config;
    }

    private void Log(IClient _, LogMessage message) => Log(message);

    private void Log(LogMessage message) => LogClient(logger, message.Facility, message.Message);

    private void OnError(Error error)
    {
        if (error.IsFatal)
            LogFatal(logger, error.Code, error.Reason);
        else
            LogError(logger, error.Code, error.Reason);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The Kafka client {Client} stands still, {Place}; a new one goes on there")]
    private static partial void LogStalled(ILogger logger, string client, string place);

    [LoggerMessage(Level = LogLevel.Error, Message = "Record {Topic}[{Partition}]@{Offset} cannot be handled and is passed over")]
    private static partial void LogSkipped(ILogger logger, Exception exception, string topic, int partition, long offset);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "Kafka:HandlingDirectory {Folder} cannot be used, so a record that ends this process will end it again: {Reason}")]
    private static partial void LogUnguarded(ILogger logger, string folder, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connected to {BootstrapServers}, cluster {ClusterId} ({Kind})")]
    private static partial void LogConnected(ILogger logger, string bootstrapServers, string clusterId, string kind);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kafka at {BootstrapServers} does not answer yet: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, string bootstrapServers, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Created topics {Topics}")]
    private static partial void LogCreated(ILogger logger, string topics);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The {Drift}")]
    private static partial void LogDrift(ILogger logger, string drift);

    [LoggerMessage(Level = LogLevel.Debug, Message = "librdkafka {Facility}: {Text}")]
    private static partial void LogClient(ILogger logger, string facility, string text);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Kafka client, {Code}: {Reason}")]
    private static partial void LogError(ILogger logger, ErrorCode code, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A Kafka client has failed for good, {Code}: {Reason}")]
    private static partial void LogFatal(ILogger logger, ErrorCode code, string reason);
}

/// <summary>The topics that exist cannot be used with this configuration; only a person can mend that.</summary>
public sealed class TopicMismatchException(string message) : Exception(message);

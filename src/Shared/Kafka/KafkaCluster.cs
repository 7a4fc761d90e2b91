using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// The Kafka cluster of this process: its kind, its topics, and clients with the settings of each role. Create clients only after <see
/// cref="ConnectAsync"/> has completed.
/// </summary>
public sealed partial class KafkaCluster(IOptions<KafkaOptions> options, ILogger<KafkaCluster> logger) : IDisposable
{
    public const int MaxRecordBytes = 2 * 1024 * 1024;

    /// <summary>
    /// A broker that has just started can answer that there are no brokers. The client (seen with librdkafka 2.15) then drops its metadata, and does
    /// nothing until it returns to its bootstrap servers, by default after five minutes.
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

    /// <summary>Skips records at which processes have died; null: switched off, or not possible.</summary>
    public RecordGuard? Guard { get; private set; }

    /// <summary>Completes once the cluster is connected and its topics are valid; fails if they cannot be used.</summary>
    public Task Connected => _connected.Task;

    /// <summary>
    /// Waits for the cluster without limit, creates missing topics and checks the others. Throws <see cref="TopicMismatchException"/> if they cannot be used.
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

    /// <summary>Topic settings that differ from the expected ones, as sentences.</summary>
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
               select $"topic {topic.Name} has {wanted.Key}={result.Entries[wanted.Key].Value} instead of {wanted.Value}",
        ];
    }

    /// <summary>For reading whole topics without a group.</summary>
    /// <param name="isUrgent">A caller waits for the end of the partitions, which an empty response shows: those then arrive at once.</param>
    public IConsumer<byte[]?, byte[]?> TailConsumer(IsolationLevel isolation, bool isUrgent = false) => Build(new ConsumerConfig(OutsideOfGroup(isolation))
    {
        FetchMinBytes = 1,
        FetchWaitMaxMs = IsEmbedded || isUrgent ? 10 : 500,   // the mock cluster always waits for the full time
        QueuedMaxMessagesKbytes = 16 * 1024,
        FetchMaxBytes = 2 * MaxRecordBytes,       // compressed; a response is unpacked as a whole, however much is queued
    }).Build();

    /// <summary>For reading a range of a partition again, committed or not.</summary>
    public IConsumer<byte[]?, byte[]?> RangeConsumer() => Build(new ConsumerConfig(OutsideOfGroup(IsolationLevel.ReadUncommitted))
    {
        FetchWaitMaxMs = 10,
        MaxPartitionFetchBytes = MaxRecordBytes,
        QueuedMaxMessagesKbytes = 4 * 1024,   // what is fetched beyond the range is discarded
    }).Build();

    /// <summary>For a member of the worker group. It prefetches little, because the member pauses its partitions and discards what was fetched.</summary>
    public ConsumerBuilder<byte[]?, byte[]?> WorkerConsumer() => Build(new ConsumerConfig
    {
        GroupId = Topics.WorkerGroup,
        GroupProtocol = GroupProtocol.Classic,
        PartitionAssignmentStrategy = PartitionAssignmentStrategy.CooperativeSticky,
        SessionTimeoutMs = (int)_options.SessionTimeout.TotalMilliseconds,
        // how soon a member learns of a rebalance
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

    /// <summary>Keeps the order and never gives up on a record: each arrives exactly once, however long the brokers are away.</summary>
    public IProducer<byte[]?, byte[]?> OrderedProducer() => Build(new ProducerConfig
    {
        Acks = Acks.All,
        EnableIdempotence = true,
        LingerMs = 0,
        MessageTimeoutMs = 0,
        CompressionType = CompressionType.Lz4,
        MessageMaxBytes = MaxRecordBytes,
    });

    /// <summary>Gives up after <paramref name="timeout"/>, for requests that wait for the result.</summary>
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
        RetryBackoffMs = 1,   // wait for the previous transaction's markers: 5 ms instead of 100
        RetryBackoffMaxMs = 20,
        MessageMaxBytes = MaxRecordBytes,
    });

    /// <summary>Discards a client that has stalled.</summary>
    public void Replace(IClient stalled, string place)
    {
        LogStalled(logger, stalled.Name, place);
        stalled.Discard();
    }

    public void Dispose() => Guard?.Dispose();

    /// <summary>For one thread, or for several of which only one runs at a time.</summary>
    public RecordHandling NewHandling() => new(this, Guard);

    /// <summary>Logs that a record was skipped because it could not be handled.</summary>
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
        GroupId = Topics.TailGroup,   // required, but never joined
        IsolationLevel = isolation,
        EnableAutoCommit = false,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        EnablePartitionEof = true,
        FetchQueueBackoffMs = 1,      // the default of 1 s stalls a replay whenever the queue is full
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
            // Another process of ours created them first.
        }
        var created = string.Join(", ", missing.Select(topic => topic.Name));
        LogCreated(logger, created);
    }

    private void CheckPartitions(IAdminClient admin)
    {
        // The metadata of a new topic needs a moment to reach every broker: absent topics are checked again.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The Kafka client {Client} has stalled, {Place}; a new one continues there")]
    private static partial void LogStalled(ILogger logger, string client, string place);

    [LoggerMessage(Level = LogLevel.Error, Message = "Record {Topic}[{Partition}]@{Offset} cannot be handled and is skipped")]
    private static partial void LogSkipped(ILogger logger, Exception exception, string topic, int partition, long offset);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Kafka:HandlingDirectory {Folder} cannot be used, so a record that kills this process will kill it again: {Reason}")]
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

    [LoggerMessage(Level = LogLevel.Error, Message = "A Kafka client has a fatal error, {Code}: {Reason}")]
    private static partial void LogFatal(ILogger logger, ErrorCode code, string reason);
}

/// <summary>The existing topics do not match this configuration; only a person can correct that.</summary>
public sealed class TopicMismatchException(string message) : Exception(message);

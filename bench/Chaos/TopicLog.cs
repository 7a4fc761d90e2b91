using System.Collections.Concurrent;
using System.Text;
using Confluent.Kafka;
using TaskPipeline.Bench.Chaos.Checking;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench.Chaos;

/// <summary>Reads all topics of the run from their beginning, only committed records, and keeps everything, also what compaction deletes later.</summary>
internal sealed class TopicLog : IAsyncDisposable
{
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ClientLife = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _disposed = new();
    private readonly ConcurrentQueue<LogRecord> _records = [];
    private readonly ConcurrentDictionary<string, bool> _ended = [];
    private readonly ConcurrentDictionary<TopicPartition, long> _read = [];
    private readonly ConsumerConfig _settings;
    private readonly string _prefix;
    private readonly List<TopicPartition> _partitions;
    private readonly Task _reading;

    public TopicLog(string bootstrapServers, Topics topics)
    {
        _settings = new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = topics.TailGroup,   // the group is never joined
            EnableAutoCommit = false,
            MetadataRecoveryRebootstrapTriggerMs = KafkaCluster.RebootstrapMs,
            AutoOffsetReset = AutoOffsetReset.Error,   // no record may be skipped
            EnablePartitionEof = true,
            IsolationLevel = IsolationLevel.ReadCommitted,
        };
        _prefix = topics.Tasks[..^LogRecord.Tasks.Length];
        _partitions = [.. topics.All.Where(topic => topic.Name != topics.Workers).SelectMany(topic => Enumerable.Range(0, topic.Partitions).Select(lane => new TopicPartition(topic.Name, lane)))];
        _reading = OwnThread.Run(Read);
    }

    public IReadOnlyCollection<LogRecord> Records => _records;

    public bool HasEnded(string taskId) => _ended.ContainsKey(taskId);

    /// <summary>Waits until it has read everything that is in the topics now. An open transaction ends by its timeout.</summary>
    public async Task ReadToEndAsync(TimeSpan timeout, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(timeout);
        var ends = await Task.Run(() =>
        {
            using var asking = Build(IsolationLevel.ReadUncommitted);
            return _partitions.ToDictionary(partition => partition, partition => asking.QueryWatermarkOffsets(partition, RequestTimeout).High.Value);
        }, stop);
        while (ends.Any(end => _read.GetValueOrDefault(end.Key) < end.Value))
        {
            if (_reading.IsFaulted)
                await _reading;
            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), limit.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                throw new BenchException($"the topics could not be read to their ends within {timeout.TotalSeconds} s: {string.Join(", ", ends.Where(end => _read.GetValueOrDefault(end.Key) < end.Value).Select(end => $"{end.Key} {_read.GetValueOrDefault(end.Key)} of {end.Value}"))}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _disposed.Dispose();
    }

    /// <summary>Uses a new client now and then: after many attacks on a broker, a client can stop in some or all partitions.</summary>
    private void Read()
    {
        while (!_disposed.IsCancellationRequested)
        {
            var consumer = Build(IsolationLevel.ReadCommitted);
            consumer.Assign(_partitions.Select(partition => new TopicPartitionOffset(partition, _read.TryGetValue(partition, out var next) ? next : Offset.Beginning)));
            for (var since = Environment.TickCount64; !_disposed.IsCancellationRequested && Environment.TickCount64 - since < ClientLife.TotalMilliseconds;)
                try
                {
                    if (consumer.Consume(TimeSpan.FromMilliseconds(100)) is { } result)
                        Take(result);
                }
                catch (ConsumeException exception) when (!exception.Error.IsFatal)
                {
                    // A broker is down because of an attack; the client continues where it was.
                }
            consumer.Discard();
        }
    }

    private void Take(ConsumeResult<byte[]?, byte[]?> result)
    {
        // The end of a partition counts too: after the last record there can be transaction markers, which consumers never receive.
        _read[result.TopicPartition] = result.IsPartitionEOF ? result.Offset.Value : result.Offset.Value + 1;
        if (result.IsPartitionEOF)
            return;
        var record = new LogRecord(result.Topic[_prefix.Length..], result.Partition.Value, result.Offset.Value, Text(result.Message.Key), Text(result.Message.Value));
        _records.Enqueue(record);
        if (Checker.IsEnd(record))
            _ended[record.Key!] = true;
    }

    private IConsumer<byte[]?, byte[]?> Build(IsolationLevel isolation) =>
        new ConsumerBuilder<byte[]?, byte[]?>(new ConsumerConfig(_settings) { IsolationLevel = isolation }).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();

    private static string? Text(byte[]? bytes) => bytes is null ? null : Encoding.UTF8.GetString(bytes);
}

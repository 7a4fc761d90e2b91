using System.Collections.Concurrent;
using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// Returns the content of a log's blocks: from memory, or from Kafka if it was dropped. It reads several blocks at once, with a limited number of
/// reads at a time. If Kafka does not answer, it waits.
/// </summary>
internal sealed partial class LogReader(KafkaCluster cluster, LogMemory memory, IHostApplicationLifetime host, ILogger<LogReader> logger) : IDisposable
{
    private const int MostReadings = 4;
    private const long MostBytes = 4 << 20;
    private const int Ahead = 16;           // blocks; a read takes some milliseconds to start
    private const long MostBetween = 5000;  // records of other tasks
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _turns = new(MostReadings);
    private readonly ConcurrentBag<IConsumer<byte[]?, byte[]?>> _idle = [];
    private readonly Lock _gate = new();

    /// <summary>The content of a block; also starts to fetch the blocks after it.</summary>
    public ValueTask<BlockContent> ReadAsync(TaskLog log, int index, CancellationToken cancellationToken) =>
        InMemory(log, index) is { } content ? ValueTask.FromResult(content)
            : new ValueTask<BlockContent>(LoadAsync(log, index, (LogBlock)log[index], cancellationToken));

    /// <summary>The same, only from memory; null: it has to be read from Kafka.</summary>
    public BlockContent? InMemory(TaskLog log, int index)
    {
        var block = (LogBlock)log[index];
        block.Touch();
        if (index + Ahead < log.Count && log[index + Ahead] is LogBlock { Content: null })
            _ = Load(log, index + Ahead);
        return block.Content;
    }

    public void Dispose()
    {
        _turns.Dispose();
        while (_idle.TryTake(out var consumer))
            consumer.Dispose();
    }

    private async Task<BlockContent> LoadAsync(TaskLog log, int index, LogBlock block, CancellationToken cancellationToken)
    {
        while (true)
        {
            var loaded = await Load(log, index).WaitAsync(cancellationToken);
            if (loaded.TryGetValue(block, out var content) || (content = block.Content) is not null)
                return content;
        }
    }

    /// <summary>Starts to read a block and those after it, or returns the read in progress.</summary>
    private Task<IReadOnlyDictionary<LogBlock, BlockContent>> Load(TaskLog log, int index)
    {
        lock (_gate)
        {
            var first = (LogBlock)log[index];
            if (first.Loading is { } loading)
                return loading;
            List<LogBlock> blocks = [first];
            var bytes = first.Size;
            for (var next = index + 1; next < log.Count && bytes < MostBytes; next++)
            {
                if (log[next] is not LogBlock block)
                    continue;
                if (block is not { Content: null, Loading: null } || block.Lane != first.Lane || block.FirstOffset - blocks[^1].LastOffset > MostBetween)
                    break;
                blocks.Add(block);
                bytes += block.Size;
            }
            loading = Task.Run(() => LoadAsync(blocks));
            foreach (var block in blocks)
                block.Loading = loading;
            return loading;
        }
    }

    private async Task<IReadOnlyDictionary<LogBlock, BlockContent>> LoadAsync(List<LogBlock> blocks)
    {
        await _turns.WaitAsync(host.ApplicationStopping);
        try
        {
            while (true)
            {
                if (!_idle.TryTake(out var consumer))
                    consumer = cluster.RangeConsumer();
                try
                {
                    var contents = await OwnThread.Run(() => Read(consumer, blocks));
                    _idle.Add(consumer);
                    foreach (var (block, content) in contents)
                    {
                        block.Keep(content);
                        memory.Add(block);
                    }
                    return contents;
                }
                catch (KafkaException exception)
                {
                    LogUnreadable(logger, blocks[0].TaskId, exception.Error.Reason);
                    consumer.Discard();
                    await Task.Delay(RetryPause, host.ApplicationStopping);
                }
            }
        }
        finally
        {
            _turns.Release();
            lock (_gate)
                foreach (var block in blocks)
                    block.Loading = null;
        }
    }

    private Dictionary<LogBlock, BlockContent> Read(IConsumer<byte[]?, byte[]?> consumer, List<LogBlock> blocks)
    {
        var contents = blocks.ToDictionary(block => block, block => new BlockContent(block.TaskId, block.From));
        var key = Encoding.UTF8.GetBytes(blocks[0].TaskId);
        consumer.Assign(new TopicPartitionOffset(cluster.Topics.Progress, blocks[0].Lane, blocks[0].FirstOffset));
        for (var at = 0; at < blocks.Count;)
        {
            var result = consumer.Poll(MaxWait) ?? throw new KafkaException(new Error(ErrorCode.Local_TimedOut, "Kafka does not answer"));
            if (result.IsPartitionEOF)
                break;
            while (at < blocks.Count && result.Offset.Value > blocks[at].LastOffset)
                at++;
            if (at < blocks.Count && result.Message.Key.AsSpan().SequenceEqual(key))
                Take(result, blocks[at], contents[blocks[at]]);
            if (result.Offset.Value >= blocks[^1].LastOffset)
                break;
        }
        consumer.Unassign();
        foreach (var (block, content) in contents)
        {
            if (content.End.Seq < block.Cursor.Seq)
                content.AddGap(block.Cursor.Seq);
            content.Seal();
        }
        return contents;
    }

    /// <summary>Counts the same lines that were counted at the first read.</summary>
    private static void Take(ConsumeResult<byte[]?, byte[]?> result, LogBlock block, BlockContent content)
    {
        if (result.Message.Value is not { } value || !TaskJson.TryDecodeProgress(value, out var record, out _) || !block.Has(record!, result.Offset.Value))
            return;
        if (record is OutputLines output)
        {
            var seen = content.End.Seq;
            if (output.Lines.Last <= seen)
                return;
            if (output.Lines.First > seen + 1)
                content.AddGap(output.Lines.First - 1);
            record = output with { Lines = output.Lines.After(seen) };
        }
        content.Add(record!, result.Offset.Value);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The output of task {TaskId} cannot be read from Kafka yet: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string taskId, string reason);
}

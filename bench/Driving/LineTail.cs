using System.Diagnostics;
using Confluent.Kafka;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>A consumer of only the lines of one lane, from its beginning, with the pipeline's settings.</summary>
internal sealed class LineTail : IAsyncDisposable
{
    private readonly IConsumer<byte[]?, byte[]?> _consumer;
    private readonly CancellationTokenSource _over;
    private readonly Task _reading;

    /// <param name="take">Receives each record and its arrival time (<see cref="Stopwatch.GetTimestamp"/>), on the consumer's thread.</param>
    public LineTail(KafkaCluster cluster, int lane, Action<OutputLines, long> take, CancellationToken stop)
    {
        _over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        _consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        _consumer.Assign(new TopicPartitionOffset(cluster.Topics.Progress, lane, Offset.Beginning));
        _reading = OwnThread.Run(() => Read(take));
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAny(_reading);
        _consumer.Dispose();
        _over.Dispose();
    }

    private void Read(Action<OutputLines, long> take)
    {
        while (true)
        {
            var result = _consumer.Consume(_over.Token);
            var seen = Stopwatch.GetTimestamp();
            if (result is { IsPartitionEOF: false, Message.Value: { } value } && TaskJson.TryDecodeProgress(value, out var record, out _) && record is OutputLines printed)
                take(printed, seen);
        }
    }
}

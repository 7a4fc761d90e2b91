using System.Diagnostics;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Floors;

/// <summary>Publishes to nchan what a task's lines are in Kafka, as somebody would who watches Kafka with it: a consumer with the pipeline's settings, and nothing else.</summary>
internal sealed class NchanRelay : IAsyncDisposable
{
    private readonly NchanServer _nchan;
    private readonly int _untimed;
    private readonly List<double> _ages = [];
    private readonly IConsumer<byte[]?, byte[]?> _consumer;
    private readonly CancellationTokenSource _over;
    private readonly Task _relaying;

    /// <param name="untimed">How many of the first lines no time is taken of.</param>
    public NchanRelay(KafkaCluster cluster, WrittenTask task, NchanServer nchan, int untimed, CancellationToken stop)
    {
        (_nchan, _untimed, _over) = (nchan, untimed, CancellationTokenSource.CreateLinkedTokenSource(stop));
        _consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        _consumer.Assign(new TopicPartitionOffset(cluster.Topics.Progress, task.Lane, Offset.Beginning));
        _relaying = Task.Factory.StartNew(Relay, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Milliseconds until the consumer had a line, in which none of the watchers could have had it.</summary>
    public double P99 => Statistics.Percentile(_ages, 0.99);

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAny(_relaying);
        _consumer.Dispose();
        _over.Dispose();
    }

    private void Relay()
    {
        while (!_over.IsCancellationRequested)
            if (_consumer.Consume(_over.Token) is { IsPartitionEOF: false, Message.Value: { } value } && TaskJson.TryDecodeProgress(value, out var record, out _) && record is OutputLines printed)
                foreach (var line in printed.Lines)
                {
                    if (line.Seq > _untimed)
                        _ages.Add(LineAgent.Age(line.Text[..line.Text.IndexOf(' ')], Stopwatch.GetTimestamp()));
                    _nchan.Publish(line.Seq, line.Text);
                }
    }
}

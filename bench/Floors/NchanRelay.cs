using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Floors;

/// <summary>Publishes a task's lines from Kafka to nchan, as a program that offers Kafka's records through nchan would.</summary>
internal sealed class NchanRelay : IAsyncDisposable
{
    private readonly NchanServer _nchan;
    private readonly int _untimed;
    private readonly List<double> _ages = [];
    private readonly LineTail _tail;

    /// <param name="untimed">How many of the first lines are not timed.</param>
    public NchanRelay(KafkaCluster cluster, WrittenTask task, NchanServer nchan, int untimed, CancellationToken stop)
    {
        (_nchan, _untimed) = (nchan, untimed);
        _tail = new LineTail(cluster, task.Lane, Publish, stop);
    }

    /// <summary>Milliseconds until the consumer had a line. No watcher can have it earlier.</summary>
    public double P99 => Statistics.Percentile(_ages, 0.99);

    public ValueTask DisposeAsync() => _tail.DisposeAsync();

    private void Publish(OutputLines printed, long seen)
    {
        foreach (var line in printed.Lines)
        {
            if (line.Seq > _untimed)
                _ages.Add(LineAgent.Age(line.Text[..line.Text.IndexOf(' ')], seen));
            _nchan.Publish(line.Seq, line.Text);
        }
    }
}

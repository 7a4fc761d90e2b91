using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Floors;

/// <summary>The floor of watching: a producer and a consumer with the pipeline's settings, and only the broker between them.</summary>
internal sealed class RawPair : IAsyncDisposable
{
    private static readonly TimeSpan LastRecord = TimeSpan.FromSeconds(5);

    private readonly TopicPartition _lane;
    private readonly IProducer<byte[]?, byte[]?> _producer;
    private readonly LineTail _tail;
    private readonly Channel<double> _ages = Channel.CreateUnbounded<double>();
    private readonly CancellationToken _stop;
    private readonly string _taskId = TaskIds.New();
    private long _sent;

    /// <param name="cluster">A cluster with its own topics.</param>
    public RawPair(KafkaCluster cluster, CancellationToken stop)
    {
        _stop = stop;
        _lane = new TopicPartition(cluster.Topics.Progress, 0);
        _producer = cluster.OrderedProducer();
        _tail = new LineTail(cluster, _lane.Partition, (record, seen) => _ages.Writer.TryWrite(LineAgent.Age(record.Lines[0].Text, seen)), stop);
    }

    /// <summary>Sends a record like those of output lines, and returns its age in milliseconds when it is consumed.</summary>
    public async Task<double> OnceAsync()
    {
        Send();
        return await _ages.Reader.ReadAsync(_stop);
    }

    /// <summary>Sends such records at a steady beat.</summary>
    public async Task<IReadOnlyList<double>> RunAsync(TimeSpan interval, int count)
    {
        await OwnThread.Run(() => SendAll(interval, count));
        var ages = new List<double>();
        while (ages.Count < count)
            ages.Add(await _ages.Reader.ReadAsync(_stop));
        return ages;
    }

    public async ValueTask DisposeAsync()
    {
        await _tail.DisposeAsync();
        _producer.Dispose();
    }

    private void SendAll(TimeSpan interval, int count)
    {
        var pace = new Pace(interval);
        for (var left = count; left > 0; left--)
        {
            pace.Wait();
            _stop.ThrowIfCancellationRequested();
            Send();
        }
        _producer.Flush(LastRecord);
    }

    private void Send()
    {
        var text = Stopwatch.GetTimestamp().ToString();
        var now = DateTimeOffset.UtcNow;
        var record = new OutputLines
        {
            Epoch = 1,
            Owner = "000000000000",
            TaskId = _taskId,
            Attempt = 1,
            At = now,
            Lines = [new OutputLine(++_sent, OutputStream.Stdout, text, now)],
            Update = text,
        };
        _producer.Produce(_lane, new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(_taskId), Value = TaskJson.Encode(record) });
    }
}

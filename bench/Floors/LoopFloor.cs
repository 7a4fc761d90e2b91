using Confluent.Kafka;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Lanes;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.Bench.Floors;

/// <summary>
/// The floor of throughput: a careful program that runs tasks at least once. A group member reads a record, runs it with the worker's classes (config,
/// workspace, log of the attempt, output, sweep), writes its end, waits for the acknowledgement and commits the offset, task by task. It has no claim, no
/// fencing, no transaction, no barrier and no epoch. It is run as <c>Bench loop-floor</c>, with the settings of a worker.
/// </summary>
internal sealed class LoopFloor : IDisposable
{
    public const string Name = "loop-floor";
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<int, OwnedLane> _lanes = [];
    private readonly Topics _topics;
    private readonly AttemptRunner _runner;
    private readonly CatalogueFile _catalogue;
    private readonly PlainProducer _producer;
    private readonly LaneWrites _writes;
    private readonly string _id;
    private readonly IConsumer<byte[]?, byte[]?> _consumer;

    public LoopFloor(KafkaCluster cluster, AttemptRunner runner, CatalogueFile catalogue, PlainProducer producer, IOptions<WorkerOptions> options)
    {
        (_topics, _runner, _catalogue, _producer) = (cluster.Topics, runner, catalogue, producer);
        (_writes, _id) = (new LaneWrites(cluster.Topics), options.Value.Id);
        _consumer = cluster.WorkerConsumer().SetPartitionsAssignedHandler((_, partitions) => Assigned(partitions)).Build();
    }

    public static async Task<int> RunAsync()
    {
        using var host = WorkerHost.Build([]);
        foreach (var part in host.Services.GetServices<IHostedService>())
            if (part is not WorkerService)
                await part.StartAsync(CancellationToken.None);
        var stop = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        await host.Services.GetRequiredService<KafkaCluster>().ConnectAsync(stop);
        using (var floor = ActivatorUtilities.CreateInstance<LoopFloor>(host.Services))
            await OwnThread.Run(() => floor.Run(stop));
        await host.Services.GetServices<IHostedService>().OfType<AgentReaper>().Single().StopAsync(CancellationToken.None);
        return 0;
    }

    public void Dispose() => _consumer.Dispose();

    private void Run(CancellationToken stop)
    {
        _consumer.Subscribe(_topics.Tasks);
        while (!stop.IsCancellationRequested)
            if (_consumer.Consume(Poll) is { } record)
            {
                RunTask(record);
                _consumer.Commit([new TopicPartitionOffset(record.TopicPartition, record.Offset + 1)]);
            }
        _consumer.Close();
    }

    /// <summary>Writes who owns the lanes, as a claim does, so that the bench knows when the lanes are assigned.</summary>
    private void Assigned(IEnumerable<TopicPartition> partitions)
    {
        foreach (var partition in partitions.Select(partition => partition.Partition.Value))
        {
            var lane = new OwnedLane(partition, new Claim(1, _id), new LaneLog(), [], 0, DateTimeOffset.UtcNow);
            _lanes[partition] = lane;
            _producer.Produce(_topics.State, partition, LaneState.Key(partition), TaskJson.Encode(lane.State(_id)), null);
        }
    }

    private void RunTask(ConsumeResult<byte[]?, byte[]?> record)
    {
        if (!TaskJson.TryDecodeSubmission(record.Message.Value, out var submission, out var error))
            throw new BenchException(error!);
        var lane = _lanes[record.Partition.Value];
        var type = _catalogue.Current.Find(submission!.Type, submission.Command)!;
        var task = new QueuedTask(lane, record.Offset.Value, type.Complete(submission, record.Message.Timestamp.UtcDateTime), type);
        using (var run = _runner.Start(task.OrderOf(1), (written, offset) => lane.Log.Apply(written, offset)))
            if (run.Result.GetAwaiter().GetResult() is { } refused)
                throw new BenchException(refused);
        var now = DateTimeOffset.UtcNow;
        var story = lane.Log.Stories[task.TaskId];
        var end = (Decision.End)Decision.Of(task, story, null, now, 0);
        Task.WhenAll(_writes.End(task, story, end, stop: null, now).Select(WriteAsync)).GetAwaiter().GetResult();
        lane.Log.Forget(task.TaskId);
    }

    private Task WriteAsync(CommitRecord record)
    {
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _producer.Produce(record.Topic, record.Partition, record.Key, record.Value, report =>
        {
            if (report.Error.IsError)
                written.SetException(new KafkaException(report.Error));
            else
                written.SetResult();
        });
        return written.Task;
    }
}

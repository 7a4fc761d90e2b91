using System.Diagnostics;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Floors;

/// <summary>
/// The floor of a task that does nothing: a loop that starts <c>setsid true</c>, waits for it, and writes its end and state in one transaction (on the
/// embedded broker: acknowledged records). It has no queue, config, output or lane. Like workers, several floors are several processes.
/// </summary>
internal sealed class NoopFloor : IAsyncDisposable
{
    public const string Name = "noop-floor";
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);

    private readonly List<ChildProcess> _processes = [];
    private readonly KafkaCluster _cluster;
    private readonly StateReader _state;

    private NoopFloor(KafkaCluster cluster) => (_cluster, _state) = (cluster, new StateReader(cluster));

    public static async Task<NoopFloor> StartAsync(BenchBroker broker, string name, int processes, CancellationToken stop)
    {
        var floor = new NoopFloor(await broker.NewTopicsAsync(name, PipelineUnderTest.Lanes, stop));
        try
        {
            for (var number = 0; number < processes; number++)
                floor._processes.Add(ChildProcess.Start("Bench", [Name, number.ToString()], broker.SettingsFor(floor._cluster)));
            foreach (var process in floor._processes)
                await process.WaitForLineAsync("ready").WaitAsync(stop);
            return floor;
        }
        catch
        {
            await floor.DisposeAsync();
            throw;
        }
    }

    /// <summary>Divides this many tasks among the processes, and returns how many ended per second, counted as for the workers.</summary>
    public async Task<double> RunAsync(int tasks, CancellationToken stop)
    {
        var before = _state.Count;
        var each = tasks / _processes.Count;
        foreach (var process in _processes)
            await process.WriteLineAsync(each.ToString());
        return await _state.RateAsync(before, each * _processes.Count, stop);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
        {
            process.CloseInput();
            await Task.WhenAny(process.WaitForExitAsync(CallTimeout));
            await process.DisposeAsync();
        }
        await _state.DisposeAsync();
    }

    /// <summary>One of the processes: reports that it is ready, and runs as many tasks as each line of its input says.</summary>
    public static int Run(string[] args)
    {
        var cluster = BenchBroker.ClusterOfThisProcess();
        cluster.ConnectAsync(CancellationToken.None).GetAwaiter().GetResult();
        var lane = int.Parse(args[0], CultureInfo.InvariantCulture);
        using var producer = cluster.IsEmbedded ? cluster.RequestProducer(CallTimeout) : cluster.TransactionalProducer($"floor-{lane}");
        if (!cluster.IsEmbedded)
            producer.InitTransactions(CallTimeout);
        Console.Out.WriteLine("ready");
        while (Console.In.ReadLine() is { } line)
            for (var left = int.Parse(line, CultureInfo.InvariantCulture); left > 0; left--)
            {
                Spawn();
                Commit(cluster, producer, lane);
            }
        return 0;
    }

    private static void Spawn()
    {
        using var process = Process.Start("setsid", ["true"]);
        process.WaitForExit();
    }

    private static void Commit(KafkaCluster cluster, IProducer<byte[]?, byte[]?> producer, int lane)
    {
        var task = new TaskSubmission { TaskId = TaskIds.New(), Type = "noop", SubmittedAt = DateTimeOffset.UtcNow };
        var ended = new TaskEnded
        {
            Epoch = 1,
            Owner = "000000000000",
            TaskId = task.TaskId,
            Attempt = 1,
            Status = Status.Succeeded,
            Reason = EndReason.ExitCode,
            ExitCode = 0,
            At = DateTimeOffset.UtcNow,
            Update = "DONE",
        };
        var state = new TaskState { TaskId = task.TaskId, Status = Status.Succeeded, Reason = EndReason.ExitCode, ExitCode = 0, Attempt = 1, Task = task, Lane = lane, At = ended.At };
        var key = Encoding.UTF8.GetBytes(task.TaskId);
        if (!cluster.IsEmbedded)
            producer.BeginTransaction();
        Task.WhenAll(
            producer.ProduceAsync(new TopicPartition(cluster.Topics.Progress, lane), new Message<byte[]?, byte[]?> { Key = key, Value = TaskJson.Encode(ended) }),
            producer.ProduceAsync(new TopicPartition(cluster.Topics.State, lane), new Message<byte[]?, byte[]?> { Key = key, Value = TaskJson.Encode(state) }))
            .WaitAsync(CallTimeout).GetAwaiter().GetResult();
        if (!cluster.IsEmbedded)
            producer.CommitTransaction(CallTimeout);
    }
}

using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Bench.Driving;

/// <summary>A task whose records the bench writes itself, as a worker does, to measure those who read them.</summary>
internal sealed class WrittenTask : IDisposable
{
    private const string Worker = "bench";
    private static readonly TimeSpan FlushTimeout = TimeSpan.FromSeconds(60);

    private readonly KafkaCluster _cluster;
    private readonly IProducer<byte[]?, byte[]?> _producer;
    private readonly OutputHash _hash = new();
    private readonly string _owner = Guid.NewGuid().ToString("N")[..12];
    private readonly DateTimeOffset _startedAt = DateTimeOffset.UtcNow;
    private readonly TaskSubmission _submission;
    private readonly byte[] _key;
    private long _submittedAs;
    private long _lastOffset;
    private long _seq;

    private WrittenTask(KafkaCluster cluster, int lane)
    {
        (_cluster, Lane, _producer) = (cluster, lane, cluster.OrderedProducer());
        _submission = new TaskSubmission { TaskId = TaskIds.New(), Type = "written", SubmittedAt = _startedAt };
        _key = Encoding.UTF8.GetBytes(TaskId);
    }

    public string TaskId => _submission.TaskId;

    public int Lane { get; }

    public string Watch => $"/tasks/{TaskId}/watch?lane={Lane}&offset={_submittedAs}";

    /// <summary>Writes that the task runs. It must be the first task of its lane.</summary>
    public static async Task<WrittenTask> StartAsync(KafkaCluster cluster, int lane)
    {
        var task = new WrittenTask(cluster, lane);
        task._submittedAs = await task.WriteAsync(cluster.Topics.Tasks, TaskJson.Encode(task._submission));
        await task.WriteAsync(new LaneBarrier { Epoch = 1, Owner = task._owner, Lane = lane, Worker = Worker, At = task._startedAt });
        await task.WriteAsync(new AttemptStarting { TaskId = task.TaskId, Attempt = 1, Epoch = 1, Owner = task._owner, Worker = Worker, At = task._startedAt });
        await task.WriteAsync(new AttemptRunning { TaskId = task.TaskId, Attempt = 1, Epoch = 1, Owner = task._owner, Pid = 1, At = task._startedAt });
        return task;
    }

    /// <summary>Writes one record, without waiting for it.</summary>
    public void Print(params ReadOnlySpan<string> texts)
    {
        var now = DateTimeOffset.UtcNow;
        var lines = new OutputLine[texts.Length];
        for (var line = 0; line < texts.Length; line++)
            _hash.Add(lines[line] = new OutputLine(++_seq, OutputStream.Stdout, texts[line], now));
        var value = TaskJson.Encode(new OutputLines { TaskId = TaskId, Attempt = 1, Epoch = 1, Owner = _owner, At = now, Lines = [.. lines], Update = string.Join('\n', texts) });
        while (true)
            try
            {
                _producer.Produce(new TopicPartition(_cluster.Topics.Progress, Lane), new Message<byte[]?, byte[]?> { Key = _key, Value = value }, report => _lastOffset = report.Offset.Value);
                return;
            }
            catch (ProduceException<byte[]?, byte[]?> full) when (full.Error.Code == ErrorCode.Local_QueueFull)
            {
                _producer.Poll(TimeSpan.FromMilliseconds(10));
            }
    }

    /// <summary>Writes the lines of a <see cref="FloodAgent"/>, this many in each record, and the end.</summary>
    public async Task FloodAsync(int lines, int length, int perRecord)
    {
        for (var line = 1; line <= lines; line += perRecord)
            Print([.. Enumerable.Range(line, Math.Min(perRecord, lines - line + 1)).Select(number => FloodAgent.LineOf(number, length))]);
        await EndAsync();
    }

    /// <summary>Returns when Kafka has all records.</summary>
    public void Flush()
    {
        if (_producer.Flush(FlushTimeout) > 0)
            throw new BenchException("Kafka did not accept the lines");
    }

    /// <summary>Writes its outcome, its end and its final state.</summary>
    public async Task EndAsync()
    {
        Flush();
        var exited = new AttemptExited { TaskId = TaskId, Attempt = 1, Epoch = 1, Owner = _owner, ExitCode = 0, Reason = EndReason.ExitCode, Lines = _seq, Hash = _hash.ToString(), At = DateTimeOffset.UtcNow };
        await WriteAsync(exited);
        var logEnd = _lastOffset;
        await WriteAsync(new TaskEnded { TaskId = TaskId, Attempt = 1, Epoch = 1, Owner = _owner, Status = Status.Succeeded, Update = "DONE", At = exited.At });
        await WriteAsync(_cluster.Topics.State, TaskJson.Encode(new TaskState
        {
            TaskId = TaskId,
            Status = Status.Succeeded,
            Reason = EndReason.ExitCode,
            ExitCode = 0,
            Attempt = 1,
            Attempts = [new AttemptSummary { Attempt = 1, Epoch = 1, Owner = _owner, Worker = Worker, From = 1, StartedAt = _startedAt, EndedAt = exited.At, Reason = exited.Reason, ExitCode = 0, Lines = _seq, Hash = exited.Hash }],
            Task = _submission,
            Lane = Lane,
            Offset = _submittedAs,
            LogEnd = logEnd,
            At = exited.At,
        }));
    }

    public void Dispose()
    {
        _producer.Dispose();
        _hash.Dispose();
    }

    private async Task WriteAsync(ProgressRecord record) => _lastOffset = await WriteAsync(_cluster.Topics.Progress, TaskJson.Encode(record));

    private async Task<long> WriteAsync(string topic, byte[] value) =>
        (await _producer.ProduceAsync(new TopicPartition(topic, Lane), new Message<byte[]?, byte[]?> { Key = _key, Value = value })).Offset.Value;
}

using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Tests.Api;

/// <summary>Writes what a worker writes, when the test says so. Every call comes back when Kafka has the record.</summary>
internal sealed class ScriptedWorker(KafkaCluster cluster, string name = "w-1") : IDisposable
{
    private readonly IProducer<byte[]?, byte[]?> _producer = cluster.OrderedProducer();

    public KafkaCluster Cluster => cluster;

    public string Name => name;

    /// <summary>Takes a lane, as its first owner or after another one.</summary>
    public async Task<ScriptedClaim> ClaimAsync(int lane, long epoch = 1)
    {
        var claim = new ScriptedClaim(this, lane, epoch, Guid.NewGuid().ToString("N")[..8]);
        await claim.WriteAsync(new LaneBarrier { Epoch = epoch, Owner = claim.Owner, Lane = lane, Worker = name });
        return claim;
    }

    public async Task<long> WriteAsync(string topic, int partition, string key, byte[]? value) =>
        (await _producer.ProduceAsync(new TopicPartition(topic, partition), new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(key), Value = value })).Offset.Value;

    public void Dispose() => _producer.Dispose();
}

/// <summary>The ownership of one lane.</summary>
internal sealed class ScriptedClaim(ScriptedWorker worker, int lane, long epoch, string owner)
{
    public string Owner => owner;
    public long Epoch => epoch;
    public string WorkerName => worker.Name;

    public Task<long> WriteAsync(ProgressRecord record) =>
        worker.WriteAsync(worker.Cluster.Topics.Progress, lane, record is AttemptRecord { TaskId: var taskId } ? taskId : $"lane/{lane}", TaskJson.Encode(record));

    /// <summary>Starting and running.</summary>
    public async Task<ScriptedAttempt> StartAsync(Submitted task, int attempt = 1)
    {
        var from = await WriteAsync(new AttemptStarting { TaskId = task.TaskId, Attempt = attempt, Epoch = epoch, Owner = owner, Worker = worker.Name, At = DateTimeOffset.UtcNow, Update = "Starting..." });
        await WriteAsync(new AttemptRunning { TaskId = task.TaskId, Attempt = attempt, Epoch = epoch, Owner = owner, Pid = 4711, At = DateTimeOffset.UtcNow });
        return new ScriptedAttempt(this, task, attempt, from);
    }

    /// <summary>Attempt after attempt, as fast as Kafka takes them.</summary>
    public Task StartManyAsync(Submitted task, int attempts) =>
        Task.WhenAll(Enumerable.Range(1, attempts).Select(attempt => WriteAsync(new AttemptStarting { TaskId = task.TaskId, Attempt = attempt, Epoch = epoch, Owner = owner, Worker = worker.Name, At = DateTimeOffset.UtcNow })));

    /// <summary>What follows a failed attempt: its next one, in <c>task-schedule</c>, and the state that says what the task waits for.</summary>
    public async Task LetWaitAsync(Submitted task, ScriptedAttempt attempt, Status status, DateTimeOffset? dueAt = null)
    {
        var last = attempt.Summary();
        var next = new TaskSubmission { TaskId = task.TaskId, Type = "echo", Attempt = last.Attempt + 1 };
        await ScheduleAsync(new ScheduledTask { TaskId = task.TaskId, DueAt = dueAt, Task = next });
        await CommitAsync(new TaskState
        {
            TaskId = task.TaskId,
            Status = status,
            Reason = last.Reason,
            Class = FailureClass.Transient,
            DueAt = dueAt,
            Attempt = last.Attempt,
            Attempts = [last with { Class = FailureClass.Transient }],
            Task = new TaskSubmission { TaskId = task.TaskId, Type = "echo" },
            Lane = lane,
            Offset = task.Offset,
            LogEnd = attempt.LogEnd,
            At = DateTimeOffset.UtcNow,
        });
    }

    public Task<long> ScheduleAsync(ScheduledTask scheduled) =>
        worker.WriteAsync(worker.Cluster.Topics.Schedule, lane, ScheduledTask.Key(scheduled.TaskId, scheduled.Task.Attempt), TaskJson.Encode(scheduled));

    /// <summary>The terminal record, and the state that makes it true.</summary>
    public async Task EndAsync(TaskState state)
    {
        await WriteAsync(new TaskEnded { TaskId = state.TaskId, Attempt = state.Attempt, Epoch = epoch, Owner = owner, Status = state.Status, Update = state.Status.EndText(), At = state.At });
        await CommitAsync(state);
    }

    public Task<long> BuryAsync(DeadLetter letter) => worker.WriteAsync(worker.Cluster.Topics.DeadLetters, 0, letter.TaskId ?? "", TaskJson.Encode(letter));

    public Task<long> CommitAsync(TaskState state) => worker.WriteAsync(worker.Cluster.Topics.State, lane, state.TaskId, TaskJson.Encode(state));
}

/// <summary>One attempt of one task, as its worker reports it.</summary>
internal sealed class ScriptedAttempt(ScriptedClaim claim, Submitted task, int attempt, long from) : IDisposable
{
    private readonly OutputHash _hash = new();
    private long _seq;
    private long? _last;
    private AttemptExited? _exited;

    public long LogEnd => _last ?? from;

    public string Hash => _hash.ToString();

    public long Lines => _seq;

    public DateTimeOffset PrintedAt { get; private set; }

    public Task PrintAsync(params IReadOnlyList<string> texts) => PrintAsync(OutputStream.Stdout, texts);

    public Task PrintAsync(OutputStream stream, params IReadOnlyList<string> texts)
    {
        PrintedAt = DateTimeOffset.UtcNow;
        return PrintAsync([.. texts.Select(text => new OutputLine(++_seq, stream, text, PrintedAt))]);
    }

    /// <summary>A part of a line.</summary>
    public Task PrintPartAsync(string text, int part, bool last = false, OutputStream stream = OutputStream.Stdout) =>
        PrintAsync([new OutputLine(++_seq, stream, text, DateTimeOffset.UtcNow, part, last)]);

    private async Task PrintAsync(OutputLine[] lines)
    {
        foreach (var line in lines)
            _hash.Add(line);
        _last = await claim.WriteAsync(new OutputLines
        {
            TaskId = task.TaskId,
            Attempt = attempt,
            Epoch = claim.Epoch,
            Owner = claim.Owner,
            Lines = [.. lines],
            At = DateTimeOffset.UtcNow,
            Update = string.Join('\n', lines.Select(line => line.Text)),
        });
    }

    public async Task NoteAsync(AgentEventName name, object data)
    {
        _last = await claim.WriteAsync(new AgentEvent
        {
            TaskId = task.TaskId,
            Attempt = attempt,
            Epoch = claim.Epoch,
            Owner = claim.Owner,
            Name = name,
            Data = System.Text.Json.JsonSerializer.SerializeToElement(data),
            At = DateTimeOffset.UtcNow,
        });
    }

    /// <summary>What the agent gives as its result.</summary>
    public object? Result { get; set; }

    /// <summary>Tells of lines that it does not publish.</summary>
    public async Task LeaveOutAsync(int lines)
    {
        _last = await claim.WriteAsync(new OutputGap
        {
            TaskId = task.TaskId,
            Attempt = attempt,
            Epoch = claim.Epoch,
            Owner = claim.Owner,
            From = _seq + 1,
            To = _seq + lines,
            Bytes = 100 * lines,
            Reason = EndReason.OutputLimit,
            At = DateTimeOffset.UtcNow,
        });
        _seq += lines;
    }

    /// <summary>Counts lines as printed that never come.</summary>
    public void Lose(int lines) => _seq += lines;

    public async Task StoppingAsync() =>
        _last = await claim.WriteAsync(new TaskStopping { TaskId = task.TaskId, Attempt = attempt, Epoch = claim.Epoch, Owner = claim.Owner, Worker = claim.WorkerName, At = DateTimeOffset.UtcNow });

    public async Task ExitAsync(int? exitCode = 0, EndReason reason = EndReason.ExitCode)
    {
        _exited = new AttemptExited
        {
            TaskId = task.TaskId,
            Attempt = attempt,
            Epoch = claim.Epoch,
            Owner = claim.Owner,
            ExitCode = exitCode,
            Reason = reason,
            Lines = _seq,
            Hash = Hash,
            At = DateTimeOffset.UtcNow,
        };
        _last = await claim.WriteAsync(_exited);
    }

    /// <summary>The terminal record, and the state that makes it true.</summary>
    public Task EndAsync(params IReadOnlyList<AttemptSummary> earlier) => EndAsync(null, earlier);

    /// <param name="stop">The STOP that was known then.</param>
    public Task EndAsync(ControlRecord? stop, params IReadOnlyList<AttemptSummary> earlier) => claim.EndAsync(new TaskState
    {
        TaskId = task.TaskId,
        Status = StatusRules.EndOf(_exited!.Reason, _exited.ExitCode),
        Reason = _exited.Reason,
        ExitCode = _exited.ExitCode,
        Stop = stop,
        Attempt = attempt,
        Attempts = [.. earlier, Summary()],
        Result = Result is null ? null : System.Text.Json.JsonSerializer.SerializeToElement(Result),
        Task = new TaskSubmission { TaskId = task.TaskId, Type = "echo" },
        Lane = task.Lane,
        Offset = task.Offset,
        LogEnd = LogEnd,
        At = DateTimeOffset.UtcNow,
    });

    public async Task FinishAsync(int exitCode = 0)
    {
        await ExitAsync(exitCode);
        await EndAsync();
    }

    /// <summary>It fails for good, and its task becomes a dead letter.</summary>
    public async Task DieAsync(TaskSubmission submission, string error = "no such table")
    {
        await FinishAsync(exitCode: 3);
        await claim.BuryAsync(new DeadLetter
        {
            TaskId = task.TaskId,
            Error = error,
            Task = submission with { TaskId = task.TaskId },
            Reason = EndReason.ExitCode,
            Class = FailureClass.Permanent,
            ExitCode = 3,
            OutputTail = error,
            Lane = task.Lane,
            Offset = task.Offset,
            Attempts = [Summary()],
            At = DateTimeOffset.UtcNow,
        });
    }

    public AttemptSummary Summary() => new()
    {
        Attempt = attempt,
        Epoch = claim.Epoch,
        Owner = claim.Owner,
        Worker = claim.WorkerName,
        From = from,
        StartedAt = DateTimeOffset.UtcNow,
        EndedAt = _exited?.At,
        Reason = _exited?.Reason ?? EndReason.WorkerLost,
        ExitCode = _exited?.ExitCode,
        Lines = _seq,
        Hash = _exited?.Hash,
    };

    public void Dispose() => _hash.Dispose();
}

using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Writes the records of one attempt, under the claim with which it began. For records with consequences it waits until Kafka has them, and passes
/// them to the owner of the lane's log in this process; other records are sent without waiting.
/// </summary>
/// <param name="wrote">Called for each acknowledged record that has consequences, on any thread, in order.</param>
internal sealed class AttemptLog(ProgressLog log, AttemptId id, string worker, TimeProvider clock, Action<AttemptRecord, long> wrote)
{
    private const int Attempts = 2;
    private const int ShortText = 200;   // characters
    private static readonly TimeSpan RunningWait = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private AttemptRunning? _running;   // guarded by _gate
    private long _firstOffset = -1;
    private long _lastOffset;
    private long _lastAck = clock.GetTimestamp();

    /// <summary>Whether the log has a hole: then later records do not count.</summary>
    public bool IsBroken => log.Broken.IsFaulted;

    /// <summary>Offset of the last acknowledged record.</summary>
    public long LastOffset => Volatile.Read(ref _lastOffset);

    /// <summary>Offset of the first record that Kafka has acknowledged; 0 before that.</summary>
    public long FirstOffset => Math.Max(0, Volatile.Read(ref _firstOffset));

    /// <summary>Time since the last acknowledgement.</summary>
    public TimeSpan Unheard => clock.GetElapsedTime(Volatile.Read(ref _lastAck));

    public async Task<AttemptStarting> StartingAsync(string configHash, string typeHash)
    {
        var starting = new AttemptStarting
        {
            Epoch = id.Claim.Epoch,
            Owner = id.Claim.Owner,
            TaskId = id.TaskId,
            Attempt = id.Attempt,
            At = clock.GetUtcNow(),
            Worker = worker,
            ConfigHash = configHash,
            TypeHash = typeHash,
            Update = "Starting...",
        };
        await AppendAsync(starting);
        return starting;
    }

    /// <summary>Delays the record a little: if the first line follows at once, both go in one request.</summary>
    public void Running(int pid)
    {
        lock (_gate)
            _running = new AttemptRunning
            {
                Epoch = id.Claim.Epoch,
                Owner = id.Claim.Owner,
                TaskId = id.TaskId,
                Attempt = id.Attempt,
                At = clock.GetUtcNow(),
                Pid = pid,
                Update = "Running",
            };
        Task.Delay(RunningWait, clock).ContinueWith(_ => SendRunning(), TaskScheduler.Default);
    }

    /// <summary>Does not wait; <paramref name="done"/> is called once Kafka has the lines.</summary>
    public void Lines(IReadOnlyList<OutputLine> lines, Action done) => Append(
        new OutputLines
        {
            Epoch = id.Claim.Epoch,
            Owner = id.Claim.Owner,
            TaskId = id.TaskId,
            Attempt = id.Attempt,
            At = lines[^1].At,
            Lines = [.. lines],
            Update = string.Join('\n', lines.Select(line => line.Text)),
        },
        done);

    /// <summary>Records lines that are not published.</summary>
    public void Gap(long from, long to, long bytes) => Append(new OutputGap
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        From = from,
        To = to,
        Bytes = bytes,
        Reason = EndReason.OutputLimit,
        Update = $"[{to - from + 1} lines are left out]",
    });

    /// <summary>Does not wait; <paramref name="done"/> is called once Kafka has it.</summary>
    public void AgentEvent(Note note, Action done) => Append(
        new AgentEvent
        {
            Epoch = id.Claim.Epoch,
            Owner = id.Claim.Owner,
            TaskId = id.TaskId,
            Attempt = id.Attempt,
            At = note.At,
            Name = note.Name,
            Data = note.Data,
        },
        done);

    public void Input(TaskInput input, bool isWritten) => Append(new AttemptInput
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        InputId = input.InputId,
        Text = input.Text,
        Close = input.Close,
        RequestedBy = input.RequestedBy,
        Refused = !isWritten,
        Update = input.Text is null ? "[stdin is closed]" : "> " + input.Text,
    });

    public void Stopping(string? requestedBy) => Append(new TaskStopping
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        Worker = worker,
        RequestedBy = requestedBy,
        Update = "Stopping...",
    });

    public void Paused(string? requestedBy) => Append(new AttemptPaused
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        RequestedBy = requestedBy,
        Update = "Paused",
    });

    public void Resumed(string? requestedBy) => Append(new AttemptResumed
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        RequestedBy = requestedBy,
        Update = "Running",
    });

    public void Heartbeat(AttemptStarting starting) => Append(new AttemptHeartbeat
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        Worker = worker,
        StartedAt = starting.At,
        ConfigHash = starting.ConfigHash,
        TypeHash = starting.TypeHash,
    });

    public Task HandedOverAsync() => AppendAsync(new AttemptHandedOver
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
    });

    /// <summary>Records how the attempt ended; if Kafka refuses the record as too large, a short one with only the outcome.</summary>
    public async Task ExitedAsync(AttemptOutcome outcome, OutputSummary output)
    {
        var exited = Exited(outcome, output);
        try
        {
            await AppendAsync(exited);
        }
        catch (KafkaException exception) when (exception.Error.IsRefusal())
        {
            await AppendAsync(exited with
            {
                Error = Beginning.Shown(outcome.Error, ShortText),
                Event = null,
                Result = null,
                Artifacts = null,
                ArtifactsLeftOut = outcome.Artifacts.Count + outcome.ArtifactsLeftOut is > 0 and var all ? all : null,
            });
        }
    }

    private AttemptExited Exited(AttemptOutcome outcome, OutputSummary output) => new()
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        Reason = outcome.Reason,
        ExitCode = outcome.ExitCode,
        Signal = outcome.Signal,
        Error = outcome.Error,
        Event = output.Said.Event,
        Result = output.Said.Result,
        ResultAt = output.Said.ResultAt,
        ResultLeftOut = output.Said.IsResultLeftOut ? true : null,
        Lines = output.Lines,
        Hash = output.Hash,
        EndedBy = outcome.EndedBy,
        StopMs = outcome.StopTime is { } stopTime ? (long)stopTime.TotalMilliseconds : null,
        ProcessesEnded = outcome.ProcessesEnded,
        ProcessesKilled = outcome.ProcessesKilled,
        Artifacts = outcome.Artifacts.Count > 0 ? outcome.Artifacts : null,
        ArtifactsLeftOut = outcome.ArtifactsLeftOut > 0 ? outcome.ArtifactsLeftOut : null,
    };

    public Task AbandonedAsync(EndReason reason, string? error) => AppendAsync(new AttemptAbandoned
    {
        Epoch = id.Claim.Epoch,
        Owner = id.Claim.Owner,
        TaskId = id.TaskId,
        Attempt = id.Attempt,
        At = clock.GetUtcNow(),
        Reason = reason,
        Error = error,
        Update = error is null ? "Given back" : $"Lost: {error}",
    });

    private async Task AppendAsync(AttemptRecord record)
    {
        for (var attempt = 1; ; attempt++)
        {
            Task<long> appending;
            lock (_gate)
                appending = log.AppendAsync(id.Lane, [.. TakeRunning(), record]);
            try
            {
                var offset = await appending;
                Acknowledged(offset);
                wrote(record, offset);
                return;
            }
            catch (KafkaException exception) when (exception.Error.IsRefusal() && attempt < Attempts)
            {
                // It may have been refused together with other records of its batch; alone it may be small enough.
            }
        }
    }

    private void Append(AttemptRecord record, Action? done = null)
    {
        lock (_gate)
            log.Append(id.Lane, [.. TakeRunning(), record], offset =>
            {
                if (offset >= 0)
                    Acknowledged(offset);
                done?.Invoke();
            });
    }

    private void SendRunning()
    {
        lock (_gate)
            foreach (var running in TakeRunning())
                Append(running);
    }

    private AttemptRecord[] TakeRunning()
    {
        AttemptRecord[] taken = _running is null ? [] : [_running];
        _running = null;
        return taken;
    }

    private void Acknowledged(long offset)
    {
        Interlocked.CompareExchange(ref _firstOffset, offset, -1);
        Volatile.Write(ref _lastOffset, offset);
        Volatile.Write(ref _lastAck, clock.GetTimestamp());
    }
}

/// <summary>Identifies an attempt, and the claim under which its records are written.</summary>
/// <param name="Lane">Its partition.</param>
internal sealed record AttemptId(int Lane, Claim Claim, string TaskId, int Attempt);

/// <summary>How an attempt ended.</summary>
internal sealed record AttemptOutcome(EndReason Reason, string? Error)
{
    /// <summary>Null if no agent was started, like the following properties.</summary>
    public int? ExitCode { get; init; }

    public string? Signal { get; init; }

    /// <summary>The signal that ended the last of the agent's processes; null if it ended by itself.</summary>
    public string? EndedBy { get; init; }

    /// <summary>From the order to end until all processes had ended.</summary>
    public TimeSpan? StopTime { get; init; }

    /// <summary>How many processes the worker ended.</summary>
    public int ProcessesEnded { get; init; }

    /// <summary>Names of the programs that needed SIGKILL.</summary>
    public IReadOnlyList<string>? ProcessesKilled { get; init; }

    public IReadOnlyList<Artifact> Artifacts { get; init; } = [];

    /// <summary>How many artifacts were not kept.</summary>
    public int ArtifactsLeftOut { get; init; }
}

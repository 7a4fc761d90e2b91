using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Lanes;
using TaskPipeline.TaskWorker.Processes;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Writes the records of one attempt, under the claim with which it began. What something follows from is waited for, and told to whoever owns
/// the lane's log here; the rest is only handed over.
/// </summary>
internal sealed class AttemptLog(ProgressLog log, OwnedLane lane, string taskId, int attempt, string worker, TimeProvider clock, Action<AttemptRecord, long> wrote)
{
    private const int Attempts = 2;
    private static readonly TimeSpan RunningWait = TimeSpan.FromMilliseconds(10);

    private readonly Claim _claim = lane.Claim;
    private readonly Lock _gate = new();
    private AttemptRunning? _running;   // under the gate
    private long _lastOffset;
    private long _lastAck = clock.GetTimestamp();

    /// <summary>Offset of the last record that Kafka has acknowledged.</summary>
    public long LastOffset => Volatile.Read(ref _lastOffset);

    /// <summary>How long no record has been acknowledged.</summary>
    public TimeSpan Unheard => clock.GetElapsedTime(Volatile.Read(ref _lastAck));

    public async Task<AttemptStarting> StartingAsync(string configHash, string typeHash)
    {
        var starting = new AttemptStarting
        {
            Epoch = _claim.Epoch,
            Owner = _claim.Owner,
            TaskId = taskId,
            Attempt = attempt,
            At = clock.GetUtcNow(),
            Worker = worker,
            ConfigHash = configHash,
            TypeHash = typeHash,
            Update = "Starting...",
        };
        await AppendAsync(starting);
        return starting;
    }

    /// <summary>Is held back for a moment: where the first line follows at once, both go in one request.</summary>
    public void Running(int pid)
    {
        lock (_gate)
            _running = new AttemptRunning
            {
                Epoch = _claim.Epoch,
                Owner = _claim.Owner,
                TaskId = taskId,
                Attempt = attempt,
                At = clock.GetUtcNow(),
                Pid = pid,
                Update = "Running",
            };
        Task.Delay(RunningWait, clock).ContinueWith(_ => TellRunning(), TaskScheduler.Default);
    }

    /// <summary>Does not wait; <paramref name="done"/> is called once Kafka has the lines.</summary>
    public void Lines(IReadOnlyList<OutputLine> lines, Action done) => Append(
        new OutputLines
        {
            Epoch = _claim.Epoch,
            Owner = _claim.Owner,
            TaskId = taskId,
            Attempt = attempt,
            At = lines[^1].At,
            Lines = [.. lines],
            Update = string.Join('\n', lines.Select(line => line.Text)),
        },
        done);

    /// <summary>Lines that are not published.</summary>
    public void Gap(long from, long to, long bytes) => Append(new OutputGap
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        From = from,
        To = to,
        Bytes = bytes,
        Reason = EndReason.OutputLimit,
        Update = $"[{to - from + 1} lines are left out]",
    });

    /// <summary>Does not wait; <paramref name="done"/> is called once Kafka has it.</summary>
    public void Noted(Note note, Action done) => Append(
        new AttemptNoted
        {
            Epoch = _claim.Epoch,
            Owner = _claim.Owner,
            TaskId = taskId,
            Attempt = attempt,
            At = note.At,
            Name = note.Name,
            Data = note.Data,
        },
        done);

    public void Input(TaskInput input, bool isWritten) => Append(new AttemptInput
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
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
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Worker = worker,
        RequestedBy = requestedBy,
        Update = "Stopping...",
    });

    public void Paused(string? requestedBy) => Append(new AttemptPaused
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        RequestedBy = requestedBy,
        Update = "Paused",
    });

    public void Resumed(string? requestedBy) => Append(new AttemptResumed
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        RequestedBy = requestedBy,
        Update = "Running",
    });

    public void Alive(AttemptStarting starting) => Append(new AttemptAlive
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Worker = worker,
        StartedAt = starting.At,
        ConfigHash = starting.ConfigHash,
        TypeHash = starting.TypeHash,
    });

    public Task HandedAsync() => AppendAsync(new AttemptHanded
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
    });

    /// <summary>Where Kafka does not take all that there is to say of it, the outcome alone is told.</summary>
    public async Task ExitedAsync(EndReason reason, AgentExit? exit, string? error, OutputSummary output, (IReadOnlyList<Artifact> Kept, int LeftOut) artifacts)
    {
        var exited = Exited(reason, exit, error, output, artifacts);
        try
        {
            await AppendAsync(exited);
        }
        catch (KafkaException exception) when (exception.Error.IsRefusal())
        {
            await AppendAsync(exited with { Error = Reduction.Shortened(error), Event = null, Result = null, Artifacts = null, ArtifactsLeftOut = artifacts.Kept.Count + artifacts.LeftOut is > 0 and var all ? all : null });
        }
    }

    private AttemptExited Exited(EndReason reason, AgentExit? exit, string? error, OutputSummary output, (IReadOnlyList<Artifact> Kept, int LeftOut) artifacts) => new()
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Reason = reason,
        ExitCode = exit is { HasBegun: true } ? exit.ExitCode : null,
        Signal = exit is { HasBegun: true } ? exit.Signal : null,
        Error = error,
        Event = output.Said.Event,
        Result = output.Said.Result,
        ResultAt = output.Said.ResultAt,
        ResultLeftOut = output.Said.IsResultLeftOut ? true : null,
        Lines = output.Lines,
        Hash = output.Hash,
        EndedBy = exit?.EndedBy,
        StopMs = exit?.StopTime is { } stopTime ? (long)stopTime.TotalMilliseconds : null,
        ProcessesEnded = exit?.ProcessesEnded ?? 0,
        ProcessesKilled = exit?.ProcessesKilled,
        Artifacts = artifacts.Kept.Count > 0 ? artifacts.Kept : null,
        ArtifactsLeftOut = artifacts.LeftOut > 0 ? artifacts.LeftOut : null,
    };

    public Task AbandonedAsync(EndReason reason, string? error) => AppendAsync(new AttemptAbandoned
    {
        Epoch = _claim.Epoch,
        Owner = _claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
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
                appending = log.AppendAsync(lane.Partition, [.. TakeRunning(), record]);
            try
            {
                var offset = await appending;
                Acknowledged(offset);
                wrote(record, offset);
                return;
            }
            catch (KafkaException exception) when (exception.Error.IsRefusal() && attempt < Attempts)
            {
                // It may have been refused together with what went before it in one batch: by itself it may be small enough.
            }
        }
    }

    private void Append(AttemptRecord record, Action? done = null)
    {
        lock (_gate)
            log.Append(lane.Partition, [.. TakeRunning(), record], offset =>
            {
                if (offset >= 0)
                    Acknowledged(offset);
                done?.Invoke();
            });
    }

    private void TellRunning()
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
        Volatile.Write(ref _lastOffset, offset);
        Volatile.Write(ref _lastAck, clock.GetTimestamp());
    }
}

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Lanes;

/// <summary>One unended task, from a lane's log and the committed state before it: its attempts in order, and the outcome if the last one has it.</summary>
public sealed class TaskStory
{
    private readonly List<AttemptSummary> _attempts = [];
    private long _lastSeq;

    public TaskStory()
    {
    }

    private TaskStory(TaskStory other)
    {
        _attempts = [.. other._attempts];
        _lastSeq = other._lastSeq;
        (From, InForce, KnownSince, Settled, Outcome, IsHandedOver, LogEnd) = (
            other.From, other.InForce, other.KnownSince, other.Settled, other.Outcome, other.IsHandedOver, other.LogEnd);
    }

    /// <summary>Offset of its first record that is not in the committed state; null if all are.</summary>
    public long? From { get; private set; }

    /// <summary>The claim in force at <see cref="From"/>.</summary>
    public Claim? InForce { get; private set; }

    /// <summary>Time of the oldest record that is needed to know this; null if the committed state has everything.</summary>
    public DateTimeOffset? KnownSince { get; private set; }

    public IReadOnlyList<AttemptSummary> Attempts => _attempts;

    /// <summary>The last attempt in the committed state; 0: none.</summary>
    public int Settled { get; private set; }

    /// <summary>The last attempt's outcome, until it is decided what follows; null if it has none.</summary>
    public AttemptExited? Outcome { get; private set; }

    /// <summary>Whether the last attempt is running, according to the log.</summary>
    public bool IsOpen => _attempts is [.., { Reason: null }];

    /// <summary>Whether its worker has handed the open attempt over to the lane's next owner.</summary>
    public bool IsHandedOver { get; private set; }

    /// <summary>Offset of the last record that counted.</summary>
    public long LogEnd { get; private set; } = -1;

    public int NextAttempt => _attempts.Count == 0 ? 1 : _attempts[^1].Attempt + 1;

    /// <summary>How many attempts were lost with their workers.</summary>
    public int Lost => _attempts.Count(attempt => attempt.Reason is EndReason.WorkerLost);

    /// <summary>How many attempts count against the task: those that were neither lost nor given back by their worker.</summary>
    public int Charged => _attempts.Count(attempt => attempt.Reason is not (null or EndReason.WorkerLost or EndReason.WorkerShutdown));

    /// <summary>An independent copy.</summary>
    public TaskStory Copy() => new(this);

    internal AttemptRecord? Apply(AttemptRecord record, long offset, Claim? inForce)
    {
        var counted = Accept(record, offset);
        if (counted is null)
            return null;
        LogEnd = offset;
        if (From is null)
            (From, InForce, KnownSince) = (offset, inForce, record.At);
        return counted;
    }

    /// <summary>
    /// This reader may have applied records that a barrier had made void, if retention removed the barrier first. So the snapshot overrides what was
    /// applied before it was written, and supplements what came later.
    /// </summary>
    internal void Apply(AttemptsSnapshot snapshot, long offset, Claim? inForce)
    {
        if (snapshot.Attempts is not [.., var last] || last.Attempt <= Settled || (From is null && LogEnd >= snapshot.ReadUpTo))
            return;
        if (From is null)
            (From, InForce) = (offset, inForce);
        KnownSince = snapshot.At;
        if (LogEnd >= snapshot.ReadUpTo)
        {
            Merge(_attempts, snapshot.Attempts);
            return;
        }
        if (_attempts.Count == 0 || _attempts[^1].Attempt != last.Attempt)
            _lastSeq = 0;
        Merge(snapshot.Attempts, _attempts);
        (Outcome, IsHandedOver, LogEnd) = (snapshot.Outcome, snapshot.HandedOver, Math.Max(LogEnd, snapshot.LogEnd));
    }

    internal AttemptsSnapshot? Snapshot(string taskId, Claim? inForce, long readUpTo) =>
        From is null || _attempts is not [.., var last] ? null : new AttemptsSnapshot
        {
            TaskId = taskId,
            Epoch = inForce?.Epoch ?? last.Epoch,
            Owner = inForce?.Owner ?? last.Owner,
            Attempts = [.. _attempts.Where(attempt => attempt.Attempt > Settled)],
            Outcome = Outcome,
            HandedOver = IsHandedOver,
            LogEnd = LogEnd,
            ReadUpTo = readUpTo,
        };

    /// <summary>The committed state has all attempts up to its last: it replaces what the log has of them.</summary>
    internal void Settle(TaskState waiting)
    {
        if (waiting.Attempts.Count == 0 || (_attempts.Count > 0 && _attempts[^1].Attempt > waiting.Attempts[^1].Attempt))
            return;
        _attempts.Clear();
        _attempts.AddRange(waiting.Attempts);
        (Settled, LogEnd) = (waiting.Attempts[^1].Attempt, waiting.LogEnd);
        (From, InForce, KnownSince, Outcome, IsHandedOver, _lastSeq) = (null, null, null, null, false, 0);
    }

    internal void Lose(DateTimeOffset at) => Close(_attempts[^1] with { Reason = EndReason.WorkerLost, EndedAt = at, Lines = _lastSeq });

    internal bool BeganUnder(Claim claim) => _attempts[^1].Epoch == claim.Epoch && _attempts[^1].Owner == claim.Owner;

    /// <summary>All attempts of <paramref name="one"/>, and those of <paramref name="other"/> that it lacks before its last.</summary>
    private void Merge(IReadOnlyList<AttemptSummary> one, IReadOnlyList<AttemptSummary> other)
    {
        var earlier = other.Where(attempt => attempt.Attempt < one[^1].Attempt);
        List<AttemptSummary> merged = [.. one.Concat(earlier).DistinctBy(attempt => attempt.Attempt).OrderBy(attempt => attempt.Attempt)];
        _attempts.RemoveAll(attempt => attempt.Attempt > Settled);
        _attempts.AddRange(merged.Where(attempt => attempt.Attempt > Settled));
    }

    private AttemptRecord? Accept(AttemptRecord record, long offset)
    {
        if (record is AttemptStarting starting)
            return Begin(starting, offset) ? record : null;
        if (_attempts.Count == 0 || record.Attempt > _attempts[^1].Attempt)
            Begin(Unseen(record), offset);   // the beginning of the log is gone; the rest still counts
        if (!IsOpen || record.Attempt != _attempts[^1].Attempt)
            return null;
        switch (record)
        {
            case OutputLines lines:
                return WithoutDoubles(lines);
            case AttemptHandedOver:
                IsHandedOver = true;
                return record;
            case AttemptExited exited:
                Close(_attempts[^1] with
                {
                    EndedAt = exited.At,
                    Reason = exited.Reason,
                    ExitCode = exited.ExitCode,
                    Signal = exited.Signal,
                    Error = exited.Error,
                    Lines = exited.Lines,
                    Hash = exited.Hash,
                    EndedBy = exited.EndedBy,
                    StopMs = exited.StopMs,
                    ProcessesEnded = exited.ProcessesEnded > 0 ? exited.ProcessesEnded : null,
                    ProcessesKilled = exited.ProcessesKilled,
                    Artifacts = exited.Artifacts,
                    ArtifactsLeftOut = exited.ArtifactsLeftOut,
                });
                Outcome = exited;
                return exited;
            case AttemptAbandoned abandoned:
                Close(_attempts[^1] with { EndedAt = abandoned.At, Reason = abandoned.Reason, Error = abandoned.Error, Lines = _lastSeq });
                return abandoned;
            default:
                return record;
        }
    }

    private bool Begin(AttemptStarting starting, long offset)
    {
        if (starting.Attempt < NextAttempt)
            return false;
        if (IsOpen)
            Lose(starting.At);
        _attempts.Add(new AttemptSummary
        {
            Attempt = starting.Attempt,
            Epoch = starting.Epoch,
            Owner = starting.Owner,
            Worker = starting.Worker,
            From = offset,
            StartedAt = starting.At,
            ConfigHash = starting.ConfigHash,
            TypeHash = starting.TypeHash,
        });
        (_lastSeq, Outcome, IsHandedOver) = (0, null, false);
        return true;
    }

    private void Close(AttemptSummary attempt)
    {
        _attempts[^1] = attempt;
        IsHandedOver = false;
    }

    private OutputLines? WithoutDoubles(OutputLines batch)
    {
        if (batch.Lines.Last <= _lastSeq)
            return null;
        var fresh = batch.Lines.First > _lastSeq ? batch : batch with { Lines = batch.Lines.After(_lastSeq) };
        _lastSeq = batch.Lines.Last;
        return fresh;
    }

    private static AttemptStarting Unseen(AttemptRecord record) => new()
    {
        TaskId = record.TaskId,
        Attempt = record.Attempt,
        Epoch = record.Epoch,
        Owner = record.Owner,
        Worker = (record as AttemptHeartbeat)?.Worker ?? "",
        At = (record as AttemptHeartbeat)?.StartedAt ?? record.At,
        ConfigHash = (record as AttemptHeartbeat)?.ConfigHash,
        TypeHash = (record as AttemptHeartbeat)?.TypeHash,
    };
}

using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Lanes;

/// <summary>What a lane's log tells of one unended task: its attempts in order, and the outcome if one has it.</summary>
public sealed class TaskStory(long from, Claim? inForce)
{
    private readonly List<AttemptSummary> _attempts = [];
    private long _lastSeq;

    /// <summary>Offset of its first record.</summary>
    public long From { get; } = from;

    /// <summary>The claim in force at <see cref="From"/>.</summary>
    public Claim? InForce { get; } = inForce;

    public IReadOnlyList<AttemptSummary> Attempts => _attempts;

    /// <summary>The last attempt's outcome; null while it has none. An attempt that was given back never has one.</summary>
    public AttemptExited? Outcome { get; private set; }

    /// <summary>Offset of the last record that counted.</summary>
    public long LogEnd { get; private set; } = -1;

    public int NextAttempt => _attempts.Count == 0 ? 1 : _attempts[^1].Attempt + 1;

    /// <summary>How many attempts began and have neither an outcome nor were given back. Only the owner before its own first attempt may read it so.</summary>
    public int Lost => _attempts.Count(attempt => attempt.Reason is null or EndReason.WorkerLost);

    /// <summary>How many attempts count against the task: neither lost with their worker nor given back by it.</summary>
    public int Charged => _attempts.Count(attempt => attempt.Reason is not (null or EndReason.WorkerLost or EndReason.WorkerShutdown));

    public AttemptRecord? Apply(AttemptRecord record, long offset)
    {
        var counted = Accept(record, offset);
        if (counted is not null)
            LogEnd = offset;
        return counted;
    }

    private AttemptRecord? Accept(AttemptRecord record, long offset)
    {
        if (record is AttemptStarting starting)
            return Begin(starting, offset) ? record : null;
        if (_attempts.Count == 0)
            Begin(Unseen(record), offset);   // the log's beginning is gone: what is left still counts
        if (record.Attempt != _attempts[^1].Attempt || Outcome is not null)
            return null;
        switch (record)
        {
            case OutputLines lines:
                return WithoutDoubles(lines);
            case AttemptExited exited:
                Outcome = exited;
                _attempts[^1] = _attempts[^1] with
                {
                    EndedAt = exited.At,
                    Reason = exited.Reason,
                    ExitCode = exited.ExitCode,
                    Signal = exited.Signal,
                    Error = exited.Error,
                    Lines = exited.Lines,
                    Hash = exited.Hash,
                };
                return exited;
            case AttemptAbandoned abandoned:
                _attempts[^1] = _attempts[^1] with { EndedAt = abandoned.At, Reason = abandoned.Reason };
                return abandoned;
            default:
                return record;
        }
    }

    private bool Begin(AttemptStarting starting, long offset)
    {
        if (starting.Attempt < NextAttempt)
            return false;
        if (_attempts is [.., { Reason: null } before])
            _attempts[^1] = before with { Reason = EndReason.WorkerLost, EndedAt = starting.At, Lines = _lastSeq };
        _attempts.Add(new AttemptSummary
        {
            Attempt = starting.Attempt,
            Epoch = starting.Epoch,
            Owner = starting.Owner,
            Worker = starting.Worker,
            From = offset,
            StartedAt = starting.At,
            ConfigHash = starting.ConfigHash,
        });
        _lastSeq = 0;
        Outcome = null;
        return true;
    }

    private OutputLines? WithoutDoubles(OutputLines batch)
    {
        if (batch.Lines.Count == 0 || batch.Lines[^1].Seq <= _lastSeq)
            return null;
        var fresh = batch.Lines[0].Seq > _lastSeq ? batch : batch with { Lines = [.. batch.Lines.Where(line => line.Seq > _lastSeq)] };
        _lastSeq = batch.Lines[^1].Seq;
        return fresh;
    }

    private static AttemptStarting Unseen(AttemptRecord record) => new()
    {
        TaskId = record.TaskId,
        Attempt = record.Attempt,
        Epoch = record.Epoch,
        Owner = record.Owner,
        Worker = "",
        At = record.At,
    };
}

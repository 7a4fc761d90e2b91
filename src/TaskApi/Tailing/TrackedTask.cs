using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi.Tailing;

/// <summary>
/// What this replica knows of one task. Everything but the log's reading side is guarded by the lock of <see cref="TaskTable"/>.
/// It may begin before its submission is known, because the topics are read side by side; until then nobody can find it.
/// </summary>
internal sealed class TrackedTask(string taskId)
{
    private Stage _stage;
    private TaskStory? _story;
    private Dictionary<string, TaskEmitted>? _emitted;
    private List<ControlRecord>? _namedStops;

    public string TaskId { get; } = taskId;
    public TaskLog Log { get; } = new(taskId);

    public TaskSubmission? Submission { get; private set; }
    public int Lane { get; private set; } = -1;
    public long Offset { get; private set; }
    public DateTimeOffset SubmittedAt { get; private set; }

    public Status Status { get; private set; } = Status.Queued;
    public int Attempt { get; private set; }
    public string? Worker { get; private set; }
    public ControlRecord? Stop { get; private set; }

    /// <summary>Tasks that repeat this one.</summary>
    public IReadOnlyList<string> Replays { get; private set; } = [];

    /// <summary>As committed once it has ended, before that as the lane's log tells.</summary>
    public IReadOnlyList<AttemptSummary> Attempts => HasEnded ? Committed!.Attempts : _story?.Attempts ?? [];

    /// <summary>How it ended, as committed. Watchers are told once every line that it counts was read.</summary>
    public TaskState? Committed { get; private set; }

    public bool HasEnded => Status.IsEnd();

    /// <summary>Whether its <c>ended</c> was read: what is emitted behind it comes too late, on every replica.</summary>
    public bool IsEndRead { get; private set; }

    public void Submit(TaskSubmission submission, int lane, long offset, DateTimeOffset at)
    {
        (Submission, Lane, Offset, SubmittedAt) = (submission, lane, offset, at);
        Log.Submitted(submission.Project, at);
    }

    public void RepeatedBy(string taskId) => Replays = [.. Replays, taskId];

    public TaskEmitted? EmittedAs(string eventId) => _emitted?.GetValueOrDefault(eventId);

    /// <summary>The request to stop that its caller named so.</summary>
    public ControlRecord? StopOf(string idempotencyKey) => _namedStops?.Find(stop => stop.IdempotencyKey == idempotencyKey);

    public StateEvent? RequestStop(ControlRecord stop)
    {
        if (stop.IdempotencyKey is { } key && StopOf(key) is null)
            (_namedStops ??= []).Add(stop);
        if (HasEnded || Stop is not null)
            return null;
        Stop = stop;
        Status = Status.Stopping;
        return Log.StopRequested(Change(stop.At) with { RequestedBy = stop.RequestedBy, Reason = stop.Reason });
    }

    /// <summary>Whether records at this place of the lane's log cannot belong to the task any more.</summary>
    public bool IsOver(long offset) => Committed is { } end && offset > end.LogEnd;

    /// <summary>An event counts once, and only in front of the task's <c>ended</c>.</summary>
    public void Emit(TaskEmitted emitted, long offset)
    {
        if (!HasEnded && !IsEndRead && (_emitted ??= []).TryAdd(emitted.EventId, emitted))
            Log.Emitted(emitted, offset);
    }

    public void ReadEnd() => IsEndRead = true;

    /// <summary>Takes a record that counts, and answers what watchers of states are told.</summary>
    public StateEvent? Apply(AttemptRecord record, TaskStory story)
    {
        _story = story;
        IsEndRead = false;   // it was of a transaction that was aborted
        if (record.Attempt != Attempt)
            (Attempt, Worker, _stage) = (record.Attempt, story.Attempts[^1].Worker is { Length: > 0 } worker ? worker : null, Stage.None);
        switch (record)
        {
            case AttemptStarting:
                var before = story.Attempts is [.., { Reason: { } reason }, _] ? reason.Word() : null;
                return Reach(Stage.Begun, Status.Starting, record, reason: before);
            case AttemptRunning:
                return Reach(Stage.Running, Status.Running, record);
            case TaskStopping stopping:
                return Reach(Stage.Stopping, Status.Stopping, record, requestedBy: stopping.RequestedBy);
            case AttemptAbandoned abandoned:
                return Reach(Stage.GivenBack, Status.Queued, record, reason: abandoned.Reason.Word());
            case OutputLines output:
                var running = Reach(Stage.Running, Status.Running, record);   // said already, but where retention took the attempt's first records
                Log.Add(output.Attempt, output.Lines);
                return running;
            default:
                return null;   // how the attempt ended is in its story; what that means for the task is for the committed state to say
        }
    }

    public void Commit(TaskState end) => Committed ??= end;

    /// <summary>The committed end is there, and so are the lines.</summary>
    public EndEvent Finish()
    {
        Status = Committed!.Status;
        Attempt = Committed.Attempt;
        Worker = Committed.Attempts is [.., var last] ? last.Worker : null;
        _story = null;
        return Log.End(Committed);
    }

    private StateEvent? Reach(Stage stage, Status status, AttemptRecord record, string? reason = null, string? requestedBy = null)
    {
        if (stage <= _stage)
            return null;
        _stage = stage;
        Status = Stop is null ? status : Status.Stopping;
        return Log.StateChanged(record.Attempt, stage, Change(record.At) with { Reason = reason, RequestedBy = requestedBy });
    }

    private StateChange Change(DateTimeOffset? at) => new(Status) { Worker = Worker, At = at };
}

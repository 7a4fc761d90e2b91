using System.Text.Json;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// What this replica knows about one task. Everything except reading its log is guarded by the lock of <see cref="TaskTable"/>. It can exist before
/// its submission is known, because the topics are read in parallel; until then <see cref="TaskTable.Find"/> does not return it.
/// </summary>
internal sealed class TrackedTask(string taskId, LogMemory memory)
{
    private Stage _stage;
    private TaskStory? _story;
    private Dictionary<string, TaskEmitted>? _emitted;
    private List<TaskInput>? _inputs;      // those with an idempotency key
    private List<ControlRecord>? _named;   // stops, pauses and resumes with an idempotency key

    public string TaskId { get; } = taskId;
    public TaskLog Log { get; } = new(taskId, memory);

    public TaskSubmission? Submission { get; private set; }

    /// <summary>Where its first record is, as far as this replica has read.</summary>
    public TaskPlace Place { get; private set; } = new(-1, -1);

    public int Lane => Place.Lane;
    public DateTimeOffset SubmittedAt { get; private set; }

    /// <summary>The latest record in <c>tasks</c> that requests an attempt; null if there is none.</summary>
    public QueuedRecord? Record { get; private set; }

    /// <summary>Its latest entry in <c>task-schedule</c>; null after its tombstone.</summary>
    public ScheduleEntry? Entry { get; set; }

    public Status Status { get; private set; } = Status.Queued;
    public int Attempt { get; private set; }
    public string? Worker { get; private set; }
    public ControlRecord? Stop { get; private set; }

    /// <summary>The progress that the latest attempt's agent reported last.</summary>
    public JsonElement? Progress { get; private set; }

    /// <summary>The latest result of the latest attempt's agent, until the committed state has it.</summary>
    public JsonElement? Result { get; private set; }

    /// <summary>When the agent reported it.</summary>
    public DateTimeOffset? ResultAt { get; private set; }

    /// <summary>Whether it is left out because it is too large.</summary>
    public bool IsResultLeftOut { get; private set; }

    /// <summary>The latest PAUSE or RESUME.</summary>
    public ControlRecord? Pause { get; private set; }

    /// <summary>The committed state that made it wait after its latest attempts.</summary>
    public TaskState? Waiting { get; private set; }

    /// <summary>Tasks that repeat this one.</summary>
    public IReadOnlyList<string> Replays { get; private set; } = [];

    /// <summary>The committed end. Watchers get it after every line that it counts.</summary>
    public TaskState? Committed { get; private set; }

    public bool HasEnded => Status.IsEnd();

    /// <summary>Whether its <c>ended</c> was read: an event emitted after it is too late, on every replica.</summary>
    public bool IsEndRead { get; private set; }

    /// <summary>Whether its record in <c>tasks</c> waits for a worker or is being run.</summary>
    public bool IsInQueue => !HasEnded && Record is { } record && record.Attempt > (Waiting?.Attempt ?? 0);

    /// <summary>When it continues, if it waits for a time.</summary>
    public DateTimeOffset? DueAt => Status switch
    {
        Status.Scheduled => Submission!.RunAt,
        Status.RetryWaiting => Waiting!.DueAt,
        _ => null,
    };

    /// <summary>The class of its end, or of the latest attempt that failed.</summary>
    public FailureClass? Class => HasEnded ? Committed!.Class : Waiting?.Class;

    /// <summary>The committed attempts, and later ones from the lane's log.</summary>
    public IReadOnlyList<AttemptSummary> Attempts
    {
        get
        {
            if (HasEnded)
                return Committed!.Attempts;
            var logged = _story?.Attempts ?? [];
            return Waiting is { Attempts: [.., var last] } ? [.. Waiting.Attempts, .. logged.Where(attempt => attempt.Attempt > last.Attempt)] : logged;
        }
    }

    /// <summary>When the agent of its latest attempt ended, while it is not committed how the task continues.</summary>
    public DateTimeOffset? ExitedAt => !HasEnded && _story is { Outcome: { } outcome } && outcome.Attempt > (Waiting?.Attempt ?? 0) ? outcome.At : null;

    public void Submit(TaskSubmission submission, TaskPlace place, DateTimeOffset at)
    {
        (Submission, Place, SubmittedAt) = (submission, place, at);
        if (submission.RunAt is not null && Status == Status.Queued && Attempt == 0)
            Status = Status.Scheduled;
        Log.Submitted(submission, at);
    }

    /// <summary>Whether the record at this place was the first of the task; the task may have moved on since.</summary>
    public bool IsFirstAt(TaskPlace place) => Place == place || (place.IsScheduled && Entry is { } entry && entry.Offset == place.Offset);

    /// <summary>A record in <c>tasks</c> requests an attempt. True: it is the first for this attempt.</summary>
    public bool Ask(QueuedRecord asked)
    {
        if (Place.IsScheduled)
            Place = new TaskPlace(Lane, asked.Offset);
        if (Record is { } known && asked.Attempt <= known.Attempt)
        {
            if (asked.Attempt == known.Attempt && asked.Offset != known.Offset)
                Record = known with { CopiedAt = asked.At };
            return false;
        }
        Record = asked;
        return true;
    }

    /// <summary>A copy of its record, if all existing copies are older than that; otherwise null.</summary>
    public TaskSubmission? CopyIfOlderThan(DateTimeOffset time) =>
        IsInQueue && Record!.CopiedAt < time ? Submission! with { Attempt = Record.Attempt, SubmittedAt = SubmittedAt } : null;

    public void RepeatedBy(string taskId) => Replays = [.. Replays, taskId];

    public TaskEmitted? EmittedAs(string eventId) => _emitted?.GetValueOrDefault(eventId);

    /// <summary>The input with the id of an idempotency key.</summary>
    public TaskInput? InputAs(string inputId) => _inputs?.Find(input => input.InputId == inputId);

    public void Asked(TaskInput input) => (_inputs ??= []).Add(input);

    /// <summary>The request to stop, pause or resume it with this idempotency key.</summary>
    public ControlRecord? RequestOf(string idempotencyKey) => _named?.Find(request => request.IdempotencyKey == idempotencyKey);

    /// <summary>Takes a pause or a resume. The worker reports when it has happened.</summary>
    public void RequestPause(ControlRecord pause)
    {
        Remember(pause);
        Pause = pause;
    }

    public StateEvent? RequestStop(ControlRecord stop)
    {
        Remember(stop);
        if (Stop is not null)
            return null;
        Stop = stop;
        if (HasEnded)
        {
            Log.EndAgain(Committed!, stop);   // too late; later watchers see that in the end event
            return null;
        }
        Status = Status.Stopping;
        return Log.StopRequested(Change(stop.At) with { RequestedBy = stop.RequestedBy, Reason = stop.Reason });
    }

    /// <summary>Whether records at this offset of the lane's log can no longer belong to the task.</summary>
    public bool IsOver(long offset) => Committed is { } end && offset > end.LogEnd;

    /// <summary>An event counts once, and only before the task's <c>ended</c>.</summary>
    public void Emit(TaskEmitted emitted, int lane, long offset)
    {
        if (!HasEnded && !IsEndRead && (_emitted ??= []).TryAdd(emitted.EventId, emitted))
            Log.Add(emitted, lane, offset);
    }

    public void ReadEnd() => IsEndRead = true;

    /// <summary>Takes a record that counts. Returns the event for watchers of states, or null.</summary>
    public WatchEvent? Apply(AttemptRecord record, TaskStory story, int lane, long offset)
    {
        _story = story;
        IsEndRead = false;   // an `ended` that was read was of an aborted transaction
        if (record.Attempt != Attempt)
            Begin(record.Attempt, story.Attempts[^1].Worker is { Length: > 0 } worker ? worker : null);
        switch (record)
        {
            case AttemptStarting:
                var before = story.Attempts is [.., { Reason: { } reason }, _] ? reason.Word() : null;
                return Reach(Stage.Begun, Status.Starting, Change(record.At) with { Reason = before });
            case AttemptRunning or AttemptHeartbeat:
                return Reach(Stage.Running, Status.Running, Change(record.At));
            case TaskStopping stopping:
                return Reach(Stage.Stopping, Status.Stopping, Change(record.At) with { RequestedBy = stopping.RequestedBy });
            case AttemptPaused paused:
                return ChangePause(Status.Paused, Change(record.At) with { RequestedBy = paused.RequestedBy }, offset);
            case AttemptResumed resumed:
                return ChangePause(Status.Running, Change(record.At) with { RequestedBy = resumed.RequestedBy }, offset);
            case AttemptAbandoned abandoned:
                return Reach(Stage.GivenBack, Status.Queued, Change(record.At) with { Reason = abandoned.Reason.Word() });
            case OutputLines output:
                var running = Reach(Stage.Running, Status.Running, Change(record.At));   // only news if retention has removed the attempt's first records
                Log.Add(output, lane, offset);
                return running;
            case AgentEvent reported:
                var watchEvent = Log.Add(reported, lane, offset);
                if (reported.Name == AgentEventName.Result)
                    (Result, ResultAt, IsResultLeftOut) = (reported.Data, reported.At, false);
                else if (reported.IsResultLeftOut)
                    (Result, ResultAt, IsResultLeftOut) = (null, reported.At, true);
                if (reported.Name != AgentEventName.Progress)
                    return null;
                Progress = reported.Data;
                return watchEvent;
            case AttemptInput input:
                Log.Add(input, lane, offset);
                return null;
            case AttemptExited exited:
                Log.Add(exited, lane, offset);   // the committed state says what it means for the task
                return null;
            case OutputGap gap:
                Log.LeftOut(gap);
                return null;
            default:
                return null;
        }
    }

    /// <summary>Takes the content of records that retention has removed.</summary>
    public StateEvent? Apply(AttemptsSnapshot snapshot, TaskStory story)
    {
        _story = story;
        if (story.Attempts is not [.., var last] || last.Attempt <= Attempt)
            return null;
        Begin(last.Attempt, last.Worker);
        return last.Reason is null || story.Outcome is not null
            ? Reach(Stage.Running, Status.Running, Change(last.StartedAt))
            : Reach(Stage.GivenBack, Status.Queued, Change(snapshot.At) with { Reason = last.Reason?.Word() });
    }

    /// <summary>Its attempt was lost with its worker.</summary>
    public StateEvent? Lose(DateTimeOffset at) => Reach(Stage.GivenBack, Status.Queued, Change(at) with { Reason = EndReason.WorkerLost.Word() });

    public void Commit(TaskState end) => Committed ??= end;

    /// <summary>The committed state says that it waits, and its lines have been read. Null if the task has moved on meanwhile.</summary>
    public StateEvent? Wait(TaskState state)
    {
        if (Committed is not null || state.Attempt < (Waiting?.Attempt ?? 0))
            return null;
        Waiting = state;
        if (state.Attempt < Attempt)
            return null;
        if (state.Attempt > Attempt)
            Begin(state.Attempt, state.Attempts is [.., var last] ? last.Worker : null);
        Log.AccountFor(state);
        return Reach(Stage.Waiting, state.Status, Change(state.At) with { Reason = state.Reason?.Word(), DueAt = state.DueAt });
    }

    /// <summary>Its record is in <c>tasks</c> again, if it waited for that.</summary>
    public StateEvent? Requeue() =>
        IsInQueue && Status is Status.Scheduled or Status.RetryWaiting or Status.Held ? Reach(Stage.Requeued, Status.Queued, Change(Record!.At)) : null;

    /// <summary>The end is committed and all lines have been read.</summary>
    public EndEvent Finish()
    {
        Status = Committed!.Status;
        Attempt = Committed.Attempt;
        Worker = Committed.Attempts is [.., var last] ? last.Worker : null;
        Stop ??= Committed.Stop;
        (_story, Result) = (null, null);
        return Log.End(Committed, Stop);
    }

    private void Begin(int attempt, string? worker)
    {
        (Attempt, Worker, _stage, Progress) = (attempt, worker, Stage.None, null);
        (Result, ResultAt, IsResultLeftOut) = (null, null, false);
    }

    private StateEvent? Reach(Stage stage, Status status, StateChange change)
    {
        if (stage <= _stage)
            return null;
        _stage = stage;
        Status = Stop is not null ? Status.Stopping
            // its worker has given it up, and no worker starts it before it is resumed
            : status == Status.Queued && Pause is { Signal: ControlRecord.Pause } ? Status.Paused
            : status;
        return Log.StateChanged(Attempt, stage, change with { Status = Status });
    }

    private StateEvent? ChangePause(Status status, StateChange change, long offset)
    {
        if (Stop is not null)
            return null;
        (Status, _stage) = (status, Stage.Running);
        return Log.PauseChanged(change with { Status = status }, offset);
    }

    private void Remember(ControlRecord request)
    {
        if (request.IdempotencyKey is { } key && RequestOf(key) is null)
            (_named ??= []).Add(request);
    }

    private StateChange Change(DateTimeOffset? at) => new(Status) { Worker = Worker, At = at };
}

/// <summary>A record of <c>tasks</c>. Its copies count as the same record.</summary>
/// <param name="CopiedAt">When the latest copy was written.</param>
internal sealed record QueuedRecord(int Attempt, long Offset, DateTimeOffset At, DateTimeOffset CopiedAt);

/// <summary>Where a task's first record is: a replica that has read so far knows the task.</summary>
/// <param name="IsScheduled">In <c>task-schedule</c> instead of <c>tasks</c>.</param>
internal readonly record struct TaskPlace(int Lane, long Offset, bool IsScheduled = false);

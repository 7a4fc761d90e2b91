using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Kafka;

namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// Reads the topics into the <see cref="TaskTable"/>. If Kafka does not answer at the start, it waits, and requests are answered with 503. With a
/// dead or stalled tail this replica would serve old data for ever, so it ends the process.
/// </summary>
internal sealed partial class KafkaTails(
    KafkaCluster cluster, TaskTable table, Changes changes, WorkerTable workers, DeadLetterTable letters, TopicWatch topics, SkippedRecords skipped,
        IHostApplicationLifetime host, BrokerClock clock, ILogger<KafkaTails> logger)
    : BackgroundService
{
    private static readonly TimeSpan StalledAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ClockMaxWait = TimeSpan.FromSeconds(10);   // a Kafka that accepts no writes can still be read
    // a task's `ended` is in Kafka when its state is committed, and is read as quickly as that state
    private static readonly TimeSpan EndedWithin = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TopicTail[] _tails = [];
    private TopicTail? _tasks;
    private TopicTail? _progress;   // its own consumer: its records must not wait, and every fetch names all partitions of its consumer
    private TopicTail? _state;
    private Task _clockIsKnown = Task.CompletedTask;
    private string? _failure;
    private volatile bool _isSettled;

    /// <summary>Completes once the tables have everything that was in the topics at the start; never, if that cannot be read.</summary>
    public Task CaughtUp => _caughtUp.Task;

    /// <summary>Why requests cannot be answered yet; null: they can.</summary>
    public string? NotReadyBecause =>
        _failure is not null ? _failure
        : _tails.Length == 0 ? "Kafka has not answered yet"
        : !_clockIsKnown.IsCompleted ? "Kafka's time is not known yet"
        : !HaveCaughtUp ? $"still being read: {NamesOf(_tails.Where(tail => !tail.CaughtUp.IsCompletedSuccessfully))}"
        : !_isSettled ? "the records are being processed"
        : null;

    /// <summary>Why this process must end; null: it is healthy.</summary>
    public string? Failure => _failure ?? (Stalled() is { } stalled ? $"the tail of {stalled} has stalled" : null);

    /// <summary>Warnings for people about records that were read, as sentences.</summary>
    public IReadOnlyList<string> Warnings => cluster.Guard?.Warnings ?? [];

    /// <summary>Whether <c>task-schedule</c> was read beyond this offset.</summary>
    public bool HasReadSchedule(int lane, long offset) => _state?.PositionOf(cluster.Topics.Schedule, lane) > offset;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await cluster.ConnectAsync(stoppingToken);
            var names = cluster.Topics;
            _tasks = NewTail(IsolationLevel.ReadUncommitted, [names.Tasks, names.Control, names.Workers], TakeRequest);
            _progress = NewTail(IsolationLevel.ReadUncommitted, [names.Progress], TakeProgress, Settle);
            _state = NewTail(IsolationLevel.ReadCommitted, [names.State, names.Schedule, names.DeadLetters], TakeCommitted);
            _clockIsKnown = Task.WhenAny(clock.Measured, Task.Delay(ClockMaxWait, stoppingToken));
            _tails = [_tasks, _progress, _state];
            var watching = WatchAsync([.. _tails.Select(tail => tail.RunAsync(stoppingToken)), topics.RunAsync(stoppingToken)], stoppingToken);
            await Task.WhenAny(watching, Task.WhenAll([_clockIsKnown, .. _tails.Select(tail => tail.CaughtUp)]));
            if (HaveCaughtUp)
            {
                Settle();
                changes.Publish();   // what Settle has finished
                _caughtUp.TrySetResult();
            }
            await watching;
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        catch (TopicMismatchException mismatch)
        {
            Fail(mismatch.Message, null, ExitCodes.BadConfiguration);
        }
    }

    private TopicTail NewTail(IsolationLevel isolation, IReadOnlyList<string> names, Action<ConsumeResult<byte[]?, byte[]?>> take, Action? idle = null) =>
        new(cluster, isolation, names, take) { Idle = idle, News = changes.Publish, Skipped = Skip };

    private async Task WatchAsync(Task[] tails, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(WatchInterval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (tails.FirstOrDefault(tail => tail.IsCompleted)?.Exception?.InnerException is TopicsGoneException gone)
                Fail(gone.Message, null);
            else if (tails.FirstOrDefault(tail => tail.IsCompleted) is { } dead)
                Fail("a tail has died", dead.Exception?.InnerException);
            else if (Stalled() is { } stalled)
                Fail($"the tail of {stalled} has stalled", null);
            if (_failure is not null)
                return;
        }
    }

    private string? Stalled() => _tails.FirstOrDefault(tail => tail.SinceLastPoll > StalledAfter) is { } tail ? NamesOf([tail]) : null;

    private static string NamesOf(IEnumerable<TopicTail> tails) => string.Join(", ", tails.SelectMany(tail => tail.Topics));

    private void Fail(string reason, Exception? exception, int exitCode = ExitCodes.Died)
    {
        _failure = reason;
        LogFailed(logger, exception, reason);
        Environment.ExitCode = exitCode;
        host.StopApplication();
    }

    /// <summary>Whether everything that was in the topics at the start has been read.</summary>
    private bool HaveCaughtUp => _tails.Length > 0 && _clockIsKnown.IsCompleted && _tails.All(tail => tail.CaughtUp.IsCompletedSuccessfully);

    private void TakeRequest(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Topic == cluster.Topics.Tasks)
            TakeSubmission(result);
        else if (result.Topic == cluster.Topics.Control)
            TakeControl(result);
        else
            TakeHeartbeat(result);
    }

    /// <summary>Requests that wait for that offset continue.</summary>
    private void Skip(ConsumeResult<byte[]?, byte[]?> result)
    {
        skipped.Count(result.Topic, "unhandled");
        if (result.Topic == cluster.Topics.Tasks)
            table.ReadUpTo(result.Partition.Value, submissions: result.Offset.Value + 1);
        else if (result.Topic == cluster.Topics.Progress)
            table.ReadUpTo(result.Partition.Value, progress: result.Offset.Value + 1);
    }

    private void TakeProgress(ConsumeResult<byte[]?, byte[]?> result)
    {
        string? error = "it has no value";
        if (result.Message.Value is { } value && TaskJson.TryDecodeProgress(value, out var record, out error))
            table.Progressed(record!, result.Partition.Value, result.Offset.Value);
        else
        {
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
            table.ReadUpTo(result.Partition.Value, progress: result.Offset.Value + 1);
        }
    }

    private void TakeSubmission(ConsumeResult<byte[]?, byte[]?> result)
    {
        string? error = "it has no value";
        if (result.Message.Value is { } value && TaskJson.TryDecodeSubmission(value, out var submission, out error))
            table.Queued(submission!, result.Partition.Value, result.Offset.Value, result.Message.Timestamp.UtcDateTime);
        else
        {
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
            table.ReadUpTo(result.Partition.Value, submissions: result.Offset.Value + 1);
        }
    }

    private void TakeControl(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is not { } value)
            return;   // a tombstone: the task has ended; its state says how
        if (!TaskJson.TryDecodeControl(value, out var control, out var error))
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
        else if (control!.Signal == ControlRecord.Stop && TaskIds.IsValid(control.TaskId))
            table.StopRequested(control);
        else if (control.Signal is ControlRecord.Pause or ControlRecord.Resume && TaskIds.IsValid(control.TaskId))
            table.PauseRequested(control);
    }

    private void TakeHeartbeat(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is not { } value)
            workers.Left(KeyOf(result));
        else if (TaskJson.TryDecodeHeartbeat(value, out var heartbeat, out var error))
            workers.Beat(heartbeat!);
        else
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
    }

    private void TakeCommitted(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Topic == cluster.Topics.State)
            TakeState(result);
        else if (result.Topic == cluster.Topics.Schedule)
            TakeSchedule(result);
        else
            TakeDeadLetter(result);
    }

    private void TakeSchedule(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Value is not { } value)
            table.Fired(KeyOf(result));
        else if (!TaskJson.TryDecodeScheduled(value, out var scheduled, out var error))
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
        else if (scheduled!.TaskId != scheduled.Task.TaskId || !TaskIds.IsValid(scheduled.TaskId)
            || KeyOf(result) != ScheduledTask.Key(scheduled.TaskId, scheduled.Task.Attempt))
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, "its key does not fit its task");
        else
            table.Scheduled(new ScheduleEntry(scheduled, result.Partition.Value, result.Offset.Value), result.Message.Timestamp.UtcDateTime);
    }

    private void TakeDeadLetter(ConsumeResult<byte[]?, byte[]?> result)
    {
        string? error = "it has no value";
        if (result.Message.Value is { } value && TaskJson.TryDecodeDeadLetter(value, out var letter, out error))
            letters.Add(letter!);
        else if (result.Message.Value is { } action && TaskJson.TryDecodeResolution(action, out var resolution, out _))
            letters.Add(resolution!);
        else
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
    }

    private void TakeState(ConsumeResult<byte[]?, byte[]?> result)
    {
        var isLane = result.Message.Key is { } key && key.AsSpan().StartsWith(LaneKey);
        string? error;
        if (result.Message.Value is not { } value)
            table.Forget(KeyOf(result));
        else if (isLane && TaskJson.TryDecodeLane(value, out var claim, out error) && claim!.Lane == result.Partition.Value)
            table.Claimed(claim);
        else if (isLane)
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, "it is not about its lane");
        else if (!TaskJson.TryDecodeState(value, out var state, out error))
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, error);
        else if (state!.TaskId != state.Task.TaskId || !TaskIds.IsValid(state.TaskId) || state.Lane < 0 || state.Lane >= cluster.Topics.Lanes)
            skipped.Unreadable(result.Topic, result.Partition.Value, result.Offset.Value, "its task or lane does not fit");
        else if (state.Status.IsEnd() || state.Status is Status.RetryWaiting or Status.Held)
            table.Committed(state);
    }

    private static string KeyOf(ConsumeResult<byte[]?, byte[]?> result) => Encoding.UTF8.GetString(result.Message.Key ?? []);

    private static ReadOnlySpan<byte> LaneKey => "lane/"u8;

    /// <summary>
    /// If retention has removed a task's records, no record shows that their offset was passed, so the tails' positions are used. Only valid when the
    /// tail has no more records at hand or has just caught up: otherwise the missing records may still arrive.
    /// </summary>
    private void Settle()
    {
        if (!HaveCaughtUp)
            return;
        foreach (var lane in table.LanesWithCommitted())
            table.ReadUpTo(lane, _tasks!.PositionOf(cluster.Topics.Tasks, lane), _progress!.PositionOf(cluster.Topics.Progress, lane));
        table.FinishFromBefore(clock.GetUtcNow() - EndedWithin);
        _isSettled = true;
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "This process ends: {Reason}")]
    private static partial void LogFailed(ILogger logger, Exception? exception, string reason);
}

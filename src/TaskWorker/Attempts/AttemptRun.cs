using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// One attempt on this worker, from the fetch of its project's config until the log has its outcome. It continues, under the claim with which it
/// began, even if its lane moves to another worker.
/// </summary>
internal sealed partial class AttemptRun : IDisposable
{
    private readonly AttemptOrder _order;
    private readonly AttemptLog _log;
    private readonly AgentSetup _setup;
    private readonly InputFeeds _inputs;
    private readonly StopSignals _stops;
    private readonly WorkerOptions _options;
    private readonly TimeSpan _session;
    private readonly TimeSpan _aliveInterval;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource<AttemptStarting> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _called = new();   // ends the waits before the attempt begins
    private readonly Lock _gate = new();
    private AgentRun? _agent;                  // guarded by _gate, like the fields down to _lease
    private bool _hasBegun;
    private ControlRecord? _stop;
    private ControlRecord? _pause;             // the latest PAUSE or RESUME
    private EndReason? _left;                  // shutdown or loss: the task continues elsewhere
    private Lease? _lease;
    private long _heartbeatAt;                   // used only by the worker's loop

    public AttemptRun(
        AttemptOrder order,
        AttemptLog log,
        AgentSetup setup,
        InputFeeds inputs,
        StopSignals stops,
        WorkerOptions options,
        KafkaOptions kafka,
        TimeProvider clock,
        ILogger logger)
    {
        (_order, _log, _setup, _inputs, _stops, _options, _clock, _logger) = (order, log, setup, inputs, stops, options, clock, logger);
        _session = kafka.SessionTimeout;
        _aliveInterval = kafka.ProgressRetention / 100;   // often enough that retention never removes all of its records
        _heartbeatAt = clock.GetTimestamp();
        StartedAt = clock.GetUtcNow();
        Result = Task.Run(RunAsync);
    }

    public AttemptId Id => _order.Id;
    public DateTimeOffset StartedAt { get; }
    public TimeSpan Elapsed => _clock.GetUtcNow() - StartedAt;

    /// <summary>The agent's process id, once there is one.</summary>
    public int? Pid { get; private set; }

    /// <summary>Why the task cannot be run at all; null: the log has the outcome, or the task was given up before there was an attempt.</summary>
    public Task<string?> Result { get; }

    /// <summary>Whether the log has an attempt, or is about to have one.</summary>
    public bool HasBegun
    {
        get
        {
            lock (_gate)
                return _hasBegun;
        }
    }

    /// <summary>Whether the worker has lost its lane since it began.</summary>
    public bool IsDetached { get; private set; }

    public bool MustNotOverlap => _order.MustNotOverlap;

    /// <summary>Offset of the last acknowledged record of this attempt.</summary>
    public long LastOffset => _log.LastOffset;

    /// <summary>Offset of the first of them; 0 before that.</summary>
    public long FirstOffset => _log.FirstOffset;

    /// <summary>For log lines about it.</summary>
    public IDisposable? BeginScope(ILogger logger) => logger.BeginAttempt(_order.Submission, Id.Attempt, _options.Id);

    /// <summary>Pauses or resumes the agent; an agent that is not spawned yet starts paused.</summary>
    public void Pause(ControlRecord pause)
    {
        lock (_gate)
        {
            _pause = pause;
            _agent?.Pause(pause.Signal == ControlRecord.Pause);
        }
    }

    public void Stop(ControlRecord stop)
    {
        lock (_gate)
        {
            if (_stop is null && _hasBegun)
                _log.Stopping(stop.RequestedBy);
            _stop = stop;
            _agent?.End(EndReason.UserRequest, stop.Force);
        }
        _called.Cancel();
    }

    /// <summary>
    /// Gives the attempt up: for <see cref="EndReason.WorkerShutdown"/> with the grace period; for <see cref="EndReason.WorkerLost"/> at once,
    /// because it may already be running elsewhere. The log gets a record of it, if the claim is still valid.
    /// </summary>
    public void Leave(EndReason reason)
    {
        lock (_gate)
        {
            if (_left is not EndReason.WorkerLost)
                _left = reason;
            _agent?.End(reason, force: reason == EndReason.WorkerLost);
        }
        _called.Cancel();
    }

    /// <summary>Gives the task up if no attempt has begun: then no record is needed. False: an attempt has begun.</summary>
    public bool LeaveUnbegun()
    {
        lock (_gate)
        {
            if (_hasBegun)
                return false;
            _left ??= EndReason.WorkerShutdown;
        }
        _called.Cancel();
        return true;
    }

    public void Detach() => IsDetached = true;

    /// <summary>Records for the next owner of the lane that the attempt continues here. False: Kafka did not acknowledge it in time.</summary>
    public bool HandOver(TimeSpan timeout) => Task.WaitAny([HandOverAsync()], timeout) == 0;

    /// <summary>Whether the attempt is still valid after a barrier.</summary>
    public bool IsKeptBy(LaneBarrier barrier) =>
        (barrier.Epoch, barrier.Owner) == (Id.Claim.Epoch, Id.Claim.Owner)
        || barrier.Epoch < Id.Claim.Epoch
        || barrier.Keeps.Contains(new KeptAttempt(Id.TaskId, Id.Attempt));

    /// <summary>Whether a later owner of its lane, having read the log, knows that it continues.</summary>
    public bool GoesOnIn(LaneLog log) =>
        log.Stories.TryGetValue(Id.TaskId, out var story) && story.IsOpen
        && story.Attempts[^1] is var last && (last.Attempt, last.Owner) == (Id.Attempt, Id.Claim.Owner);

    /// <summary>Call this often: it writes heartbeats at intervals, and ends an attempt that must not overlap if Kafka no longer acknowledges them.</summary>
    public void SendHeartbeat()
    {
        if (!_started.Task.IsCompletedSuccessfully || Result.IsCompleted)
            return;
        var every = MustNotOverlap ? _session / 6 : IsDetached ? _session / 3 : _aliveInterval;
        if (_clock.GetElapsedTime(_heartbeatAt) >= every)
        {
            _heartbeatAt = _clock.GetTimestamp();
            _log.Heartbeat(_started.Task.Result);
        }
        if (!MustNotOverlap)
            return;
        if (_log.Unheard < _session / 2)
            _lease?.Renew((_session / 2) - _log.Unheard);
        else
            Leave(EndReason.WorkerLost);
    }

    public void Dispose() => _called.Dispose();

    private async Task HandOverAsync()
    {
        await _started.Task;
        await _log.HandedOverAsync();
    }

    [SuppressMessage("Design", "CA1031", Justification = "A failure of one task must not end the worker and its other tasks")]
    private async Task<string?> RunAsync()
    {
        using var scope = BeginScope(_logger);
        try
        {
            using var prepared = await _setup.PrepareAsync(_order, _called.Token);
            var inputFrom = _order.Type.TakesInput ? await _inputs.EndOfAsync(Id.Lane, _called.Token) : 0;
            if (TryBegin())
                await RunAgentAsync(prepared, inputFrom, BeginAsync(prepared.ConfigHash));
            return null;
        }
        catch (Exception exception) when (exception is UnfitException or ArgumentsException)
        {
            return exception.Message;
        }
        catch (OperationCanceledException) when (_called.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception exception) when (!_log.IsBroken)
        {
            // Whatever the cause, the failure is this task's: it ends, and the other tasks continue.
            LogFailed(_logger, exception, Id.TaskId);
            return await FailAsync($"the worker {_options.Id} failed to run it: {exception.Message}");
        }
    }

    /// <summary>
    /// Ends all processes of the attempt. Returns the error for a task without an attempt, or whose attempt's record Kafka refuses; null: the log has
    /// the outcome.
    /// </summary>
    private async Task<string?> FailAsync(string error)
    {
        RunMarker.Sweep(RunMarker.Of(Id.TaskId, Id.Attempt), cleanPasses: 2);
        if (!_started.Task.IsCompletedSuccessfully)
            return error;
        try
        {
            await _log.ExitedAsync(new AttemptOutcome(EndReason.SpawnFailed, error), OutputSummary.None);
            return null;
        }
        catch (KafkaException exception) when (exception.Error.IsRefusal())
        {
            return error;
        }
    }

    /// <summary>After this there is an attempt, which can be handed over but not dropped.</summary>
    private bool TryBegin()
    {
        lock (_gate)
            return _hasBegun = _left is null && _stop is null;
    }

    /// <summary>Completes when the log has the attempt: before that its agent does not run.</summary>
    private async Task BeginAsync(string configHash)
    {
        CrashPoint.Reach(CrashPoint.BeforeStarting);
        _started.SetResult(await _log.StartingAsync(configHash, _order.Type.Hash));
        CrashPoint.Reach(CrashPoint.Starting);
        // A STOP that Kafka had before this `starting` keeps the agent from starting, even if the STOP is read late.
        await _stops.HaveReadAllAsync(_called.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_stops.Find(Id.TaskId) is { } stop)
            Stop(stop);
    }

    [SuppressMessage("Design", "CA1031", Justification = "A failure of one agent ends only that agent")]
    private async Task RunAgentAsync(PreparedAgent prepared, long inputFrom, Task begun)
    {
        var (type, secrets, marker) = (_order.Type, prepared.Secrets, RunMarker.Of(Id.TaskId, Id.Attempt));
        var (launcher, error) = await _setup.TakeLauncherAsync(type, prepared.Workspace);   // while the log's record is being written
        using var cgroup = launcher?.Cgroup;
        var agent = new AgentRun(prepared.Command, marker, AgentLimits.Of(type, _order.Submission.Deadline), launcher, _clock) { Paused = ReportPaused };
        var notes = new AgentNotes(type.Parser, secrets, _clock) { GaveResult = agent.GaveResult };
        var limit = new OutputLimit(type, () => agent.End(EndReason.OutputLimit, force: false));
        using var output = new OutputPublisher(_log, secrets, notes, Path.Combine(_options.DataDirectory, "spool"), limit, _clock);
        using var feed = type.TakesInput ? _inputs.Begin(Id, inputFrom, _log, secrets, agent) : null;
        using var lease = MustNotOverlap ? Lease.Start(_options.DataDirectory, marker, _session / 2) : null;
        Supervise(agent, lease);
        AgentExit? exit = null;
        string? lost = null;
        try
        {
            exit = error is not null ? null : await agent.RunAsync(
                (stream, giveUp) => output.ReadAsync(OutputStream.Stdout, stream, giveUp),
                (stream, giveUp) => output.ReadAsync(OutputStream.Stderr, stream, giveUp),
                begun,
                pid => Spawned(pid, prepared.Workspace.Folder));
            lost = exit is null ? null : Ending.WhyLost(exit, type.Retry, lease);
            if (lost is not null)
                exit = exit! with { Reason = EndReason.WorkerLost };
        }
        catch (Win32Exception exception)
        {
            error = $"{prepared.Command.Executable} cannot be started: {exception.Message}";
        }
        catch (Exception exception) when (begun.IsCompletedSuccessfully)
        {
            LogFailed(_logger, exception, Id.TaskId);
            RunMarker.Sweep(marker, cleanPasses: 2);
            error = $"the worker {_options.Id} failed to run it: {exception.Message}";
        }
        await begun;
        Supervise(null, null);
        var summary = await output.CompleteAsync();
        CrashPoint.Reach(CrashPoint.BeforeExited);
        if (exit?.Reason is EndReason.WorkerShutdown or EndReason.WorkerLost)
        {
            await _log.AbandonedAsync(exit.Reason, lost);
            if (lost is null)
                LogGivenBack(_logger, Id.TaskId);
            else
                LogLost(_logger, Id.TaskId, Id.Attempt, lost);
            return;
        }
        await _log.ExitedAsync(OutcomeOf(exit, error, summary, prepared), summary);
        _setup.PrepareLauncher();
        CrashPoint.Reach(CrashPoint.Exited);
    }

    /// <param name="exit">Null: no agent has run, for the reason in <paramref name="error"/>.</param>
    private AttemptOutcome OutcomeOf(AgentExit? exit, string? error, OutputSummary summary, PreparedAgent prepared)
    {
        var reason = exit?.Reason ?? EndReason.SpawnFailed;
        error ??= Ending.Explain(exit!, _order, summary.Tail);
        if (exit is not null && Ending.DecidedBy(summary.Said, exit) is { } decided)
        {
            Warn("it was ended after it had reported its result, and the result decides: "
                + (error ?? $"it ran for more than {_order.Type.AfterResult} after that"));
            (reason, error) = (decided, decided == EndReason.ResultError ? Ending.ErrorIn(summary.Said.Result) ?? summary.Tail : null);
        }
        var artifacts = CloseArtifacts(prepared.Workspace, prepared.Secrets);
        return new AttemptOutcome(reason, error)
        {
            ExitCode = exit is { HasBegun: true } ? exit.ExitCode : null,
            Signal = exit is { HasBegun: true } ? exit.Signal : null,
            EndedBy = exit?.EndedBy,
            StopTime = exit?.StopTime,
            ProcessesEnded = exit?.ProcessesEnded ?? 0,
            ProcessesKilled = exit?.ProcessesKilled,
            Artifacts = artifacts.Kept,
            ArtifactsLeftOut = artifacts.LeftOut,
        };
    }

    private ClosedArtifacts CloseArtifacts(Workspace workspace, SecretForms secrets)
    {
        try
        {
            var closed = workspace.CloseArtifacts();
            if (closed.LeftOut > 0)
                Warn($"{closed.LeftOut} of its artifacts {(closed.LeftOut == 1 ? "is" : "are")} left out: {secrets.Masked(string.Join("; ", closed.Reasons))}"
                    + (closed.LeftOut > closed.Reasons.Count ? "; …" : ""));
            return closed;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogArtifacts(_logger, Id.TaskId, exception.Message);
            return new ClosedArtifacts();
        }
    }

    private void Warn(string message)
    {
        var data = JsonSerializer.SerializeToElement(new JsonObject { ["message"] = message }, TaskJson.Wire.JsonObject);
        _log.AgentEvent(new Note(AgentEventName.Warning, data, _clock.GetUtcNow()), static () => { });
    }

    private void Spawned(int pid, string folder)
    {
        Pid = pid;
        _log.Running(pid);
        LogStarting(_logger, Id.TaskId, Id.Attempt, _order.Type.FullName, folder);
        CrashPoint.Reach(CrashPoint.Running);
    }

    /// <summary>From here on the agent gets orders to end or to pause; orders since the last check are applied at once.</summary>
    private void Supervise(AgentRun? agent, Lease? lease)
    {
        lock (_gate)
        {
            _agent = agent;
            _lease = lease;
            if (_left is { } left)
                agent?.End(left, force: left == EndReason.WorkerLost);
            if (_stop is { } stop)
                agent?.End(EndReason.UserRequest, stop.Force);
            if (_pause is { Signal: ControlRecord.Pause })
                agent?.Pause(true);
        }
    }

    private void ReportPaused(bool isPaused)
    {
        ControlRecord? asked;
        lock (_gate)
            asked = _pause;
        if (isPaused)
            _log.Paused(asked?.RequestedBy);
        else
            _log.Resumed(asked?.RequestedBy);
        LogPaused(_logger, Id.TaskId, isPaused ? "is paused" : "continues");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} starts, attempt {Attempt}: {Type} in {Folder}")]
    private static partial void LogStarting(ILogger logger, string taskId, int attempt, string type, string folder);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} {WhatItDoes}")]
    private static partial void LogPaused(ILogger logger, string taskId, string whatItDoes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The artifacts of task {TaskId} cannot be listed: {Reason}")]
    private static partial void LogArtifacts(ILogger logger, string taskId, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Task {TaskId} cannot be run to its end")]
    private static partial void LogFailed(ILogger logger, Exception exception, string taskId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Attempt {Attempt} of task {TaskId} is lost: {Reason}")]
    private static partial void LogLost(ILogger logger, string taskId, int attempt, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} is given back")]
    private static partial void LogGivenBack(ILogger logger, string taskId);
}

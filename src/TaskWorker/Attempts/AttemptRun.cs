using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Lanes;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// One attempt in the hands of this worker, from the reading of its project's config until the log has its outcome. It goes on, under the claim with
/// which it began, also when its lane becomes another worker's.
/// </summary>
internal sealed partial class AttemptRun : IDisposable
{
    private readonly AttemptRunner _tools;
    private readonly AttemptLog _log;
    private readonly TaskCompletionSource<AttemptStarting> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _called = new();   // before the attempt begins: ends the wait for the project's config
    private readonly Lock _gate = new();
    private AgentRun? _agent;                  // under the gate, as is all down to the lease
    private bool _hasBegun;
    private ControlRecord? _stop;
    private ControlRecord? _pause;             // the latest PAUSE or RESUME
    private EndReason? _left;                  // shutdown or loss: the task goes on elsewhere
    private Lease? _lease;
    private long _saidAlive;                   // of the worker's loop

    public AttemptRun(QueuedTask queued, int attempt, AttemptRunner tools, Action<AttemptRecord, long> wrote)
    {
        Queued = queued;
        Attempt = attempt;
        _tools = tools;
        _log = new AttemptLog(tools.Log, queued.Lane, queued.TaskId, attempt, tools.Options.Id, tools.Clock, wrote);
        _saidAlive = tools.Clock.GetTimestamp();
        StartedAt = tools.Clock.GetUtcNow();
        Result = Task.Run(RunAsync);
    }

    public QueuedTask Queued { get; }
    public int Attempt { get; }
    public DateTimeOffset StartedAt { get; }
    public TimeSpan Elapsed => _tools.Clock.GetUtcNow() - StartedAt;

    /// <summary>Of the agent, once there is one.</summary>
    public int? Pid { get; private set; }

    /// <summary>Why the task cannot be run at all; null: the log has the outcome, or the task was left before there was an attempt.</summary>
    public Task<string?> Result { get; }

    /// <summary>Whether the log has an attempt, or is about to.</summary>
    public bool HasBegun
    {
        get
        {
            lock (_gate)
                return _hasBegun;
        }
    }

    /// <summary>Whether its lane has gone since it began.</summary>
    public bool IsDetached { get; private set; }

    public bool MustNotOverlap => Queued.Type!.Overlap == Overlap.Never || Queued.Submission.Concurrency is not null;

    /// <summary>Offset of the last of its records that Kafka has acknowledged.</summary>
    public long LastOffset => _log.LastOffset;

    /// <summary>Lets the agent stand still or go on; one that is not spawned yet begins with that.</summary>
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
    /// Gives the attempt up: with <see cref="EndReason.WorkerShutdown"/> politely; with <see cref="EndReason.WorkerLost"/> at once, because it may be
    /// running elsewhere already. The log says so, if it still listens.
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

    /// <summary>Gives the task up if no attempt has begun: then nothing need be said.</summary>
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

    /// <summary>Tells whoever owns the lane next that the attempt goes on here. False: Kafka did not take it in time.</summary>
    public bool HandOver(TimeSpan timeout) => Task.WaitAny([HandOverAsync()], timeout) == 0;

    /// <summary>Whether the attempt is still valid behind a barrier.</summary>
    public bool IsKeptBy(LaneBarrier barrier) =>
        (barrier.Epoch, barrier.Owner) == (Queued.Lane.Claim.Epoch, Queued.Lane.Claim.Owner)
        || barrier.Epoch < Queued.Lane.Claim.Epoch
        || barrier.Keeps.Contains(new KeptAttempt(Queued.TaskId, Attempt));

    /// <summary>Whether a later owner of its lane, who has read the log, knows that it goes on.</summary>
    public bool GoesOnIn(LaneLog log) =>
        log.Stories.TryGetValue(Queued.TaskId, out var story) && story.IsOpen && story.Attempts[^1] is var last && (last.Attempt, last.Owner) == (Attempt, Queued.Lane.Claim.Owner);

    /// <summary>To be called often; says now and then that the attempt goes on, and ends one that must not overlap when nobody hears it any more.</summary>
    public void SayAlive()
    {
        if (!_started.Task.IsCompletedSuccessfully || Result.IsCompleted)
            return;
        var every = MustNotOverlap ? _tools.Session / 6 : IsDetached ? _tools.Session / 3 : _tools.AliveInterval;
        if (_tools.Clock.GetElapsedTime(_saidAlive) >= every)
        {
            _saidAlive = _tools.Clock.GetTimestamp();
            _log.Alive(_started.Task.Result);
        }
        if (!MustNotOverlap)
            return;
        if (_log.Unheard < _tools.Session / 2)
            _lease?.Renew((_tools.Session / 2) - _log.Unheard);
        else
            Leave(EndReason.WorkerLost);
    }

    public void Dispose() => _called.Dispose();

    private async Task HandOverAsync()
    {
        await _started.Task;
        await _log.HandedAsync();
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever goes wrong with one task must not end the worker, and with it the tasks of others")]
    private async Task<string?> RunAsync()
    {
        using var scope = _tools.Logger.BeginAttempt(Queued, Attempt, _tools.Options.Id);
        try
        {
            var type = Queued.Type!;
            var asking = _tools.Projects.GetAsync(Queued.Submission.Project, _called.Token);
            var secrets = new SecretForms([]);
            using var workspace = new Workspace(   // while the config is on its way
                _tools.Options.DataDirectory, _tools.Artifacts.FolderOf(Queued.TaskId, Attempt), left => _tools.Warnings.NotDeleted([.. left.Select(path => Masked(path, secrets))]));
            await _tools.Files.FetchAsync(type, Queued.Submission, workspace.Folder, _called.Token);
            var project = await asking;
            var arguments = type.BuildArguments(Queued.Submission.Params, project.Paths ?? new Dictionary<string, string>(), workspace.Folder);
            var environment = new AgentEnvironment(Queued.Submission, type, project, Attempt, workspace, _tools.Executables.Path);
            secrets = environment.Secrets;
            if (arguments.Arguments.Any(environment.Secrets.IsIn))
                return "an argument holds a secret of the agent's environment, where every process of the machine could read it: let the agent take it from its environment";
            if (_tools.Executables.Find(type.Executable) is not { } executable)
                return $"the worker {_tools.Options.Id} has no program '{type.Executable}'";
            var input = new TopicPartition(_tools.Topics.Input, Queued.Lane.Partition);
            var inputFrom = type.TakesInput ? await InputFeed.EndOfAsync(_tools.Reader, input, _tools.Clock, _called.Token) : 0;
            if (!TryBegin())
                return null;
            await RunAgentAsync(type, new AgentCommand(executable, arguments.Arguments, environment.Variables, workspace.Folder, arguments.Stdin)
            {
                TerminalSize = type.Terminal ? type.TerminalSize ?? TerminalSize.Usual : null,
                OpenFiles = type.OpenFiles,
                TakesInput = type.TakesInput,
            }, environment, workspace, new TopicPartitionOffset(input, inputFrom), BeginAsync(project.Hash));
            return null;
        }
        catch (Exception exception) when (exception is ProjectRefusedException or ArgumentsException)
        {
            return exception.Message;
        }
        catch (OperationCanceledException) when (_called.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception exception) when (!_tools.Log.Broken.IsFaulted)
        {
            // Whatever it was, it is this task's: it ends, and the others go on.
            LogFailed(_tools.Logger, exception, Queued.TaskId);
            return await FailAsync($"the worker {_tools.Options.Id} has failed on it: {exception.Message}");
        }
    }

    /// <summary>Nothing of it is left then. Answers what is to be said of a task that has no attempt, or whose attempt the log does not take; null: the log has the outcome.</summary>
    private async Task<string?> FailAsync(string error)
    {
        RunMarker.Sweep(RunMarker.Of(Queued.TaskId, Attempt), cleanPasses: 2);
        if (!_started.Task.IsCompletedSuccessfully)
            return error;
        try
        {
            await _log.ExitedAsync(EndReason.SpawnFailed, null, error, OutputSummary.None, ([], 0));
            return null;
        }
        catch (KafkaException exception) when (exception.Error.IsRefusal())
        {
            return error;
        }
    }

    /// <summary>From here on there is an attempt, which may be handed over but not be forgotten.</summary>
    private bool TryBegin()
    {
        lock (_gate)
            return _hasBegun = _left is null && _stop is null;
    }

    /// <summary>Comes back when the log has the attempt: before that no agent of it runs.</summary>
    private async Task BeginAsync(string configHash)
    {
        CrashPoint.Reach(CrashPoint.BeforeStarting);
        _started.SetResult(await _log.StartingAsync(configHash, Queued.Type!.Hash));
        CrashPoint.Reach(CrashPoint.Starting);
        // A STOP that Kafka had before that `starting` keeps the agent from beginning, also if it is read late.
        await _tools.Stops.HaveReadAllAsync(_called.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_tools.Stops.Find(Queued.TaskId) is { } stop)
            Stop(stop);
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever goes wrong with one agent ends that alone")]
    private async Task RunAgentAsync(TaskType type, AgentCommand command, AgentEnvironment environment, Workspace workspace, TopicPartitionOffset input, Task begun)
    {
        var marker = environment.Variables[RunMarker.Variable];
        var (launcher, error) = await PrepareAsync(type, workspace);   // while the log takes the attempt
        using var cgroup = launcher?.Cgroup;
        var agent = new AgentRun(command, marker, AgentLimits.Of(type, Queued.Submission.Deadline), launcher, _tools.Clock) { Paused = TellPaused };
        using var output = new OutputPublisher(
            _log, environment.Secrets, new AgentNotes(type.Parser, environment.Secrets, _tools.Clock) { GaveResult = agent.GaveResult }, Path.Combine(_tools.Options.DataDirectory, "spool"), new OutputLimit(type, () => agent.End(EndReason.OutputLimit, force: false)), _tools.Clock);
        using var feed = type.TakesInput ? new InputFeed(_tools.Reader, input.TopicPartition, input.Offset, Queued.TaskId, Attempt, _log, environment.Secrets, agent) : null;
        using var lease = MustNotOverlap ? Lease.Start(_tools.Options.DataDirectory, marker, _tools.Session / 2) : null;
        Supervise(agent, lease);
        AgentExit? exit = null;
        string? lost = null;
        try
        {
            exit = error is not null ? null : await agent.RunAsync(
                (stream, giveUp) => output.ReadAsync(OutputStream.Stdout, stream, giveUp),
                (stream, giveUp) => output.ReadAsync(OutputStream.Stderr, stream, giveUp),
                begun,
                pid => Spawned(pid, workspace.Folder));
            if (exit is { Reason: EndReason.ExitCode, Signal: "SIGKILL" })
                (exit, lost) = Judge(exit, type.Retry, lease);
        }
        catch (Win32Exception exception)
        {
            error = $"{command.Executable} could not be started: {exception.Message}";
        }
        catch (Exception exception) when (begun.IsCompletedSuccessfully)
        {
            LogFailed(_tools.Logger, exception, Queued.TaskId);
            RunMarker.Sweep(marker, cleanPasses: 2);
            error = $"the worker {_tools.Options.Id} has failed on it: {exception.Message}";
        }
        await begun;
        Supervise(null, null);
        var summary = await output.CompleteAsync();
        CrashPoint.Reach(CrashPoint.BeforeExited);
        if (exit?.Reason is EndReason.WorkerShutdown or EndReason.WorkerLost)
        {
            await _log.AbandonedAsync(exit.Reason, lost);
            if (lost is null)
                LogGivenBack(_tools.Logger, Queued.TaskId);
            else
                LogLost(_tools.Logger, Queued.TaskId, Attempt, lost);
            return;
        }
        var reason = exit?.Reason ?? EndReason.SpawnFailed;
        error ??= Explain(reason, exit!, type, summary.Tail);
        if (exit is not null && DecidedBy(summary.Said, exit) is { } decided)
        {
            Warn($"it was ended, but had given its result before, which decides: {error ?? $"it went on for longer than {type.AfterResult} after that"}");
            (reason, error) = (decided, decided == EndReason.ResultError ? ErrorIn(summary.Said.Result) ?? summary.Tail : null);
        }
        await _log.ExitedAsync(reason, exit, error, summary, KeepArtifacts(environment.Secrets));
        _tools.Launchers.Prepare();
        CrashPoint.Reach(CrashPoint.Exited);
    }

    /// <summary>Nobody here has killed it, so that is no end of its own, unless its type says what it means.</summary>
    private static (AgentExit Exit, string? Lost) Judge(AgentExit killed, RetryPolicy retry, Lease? lease) =>
        lease is { HasLapsed: true } ? (killed with { Reason = EndReason.WorkerLost }, "its worker was too slow to renew its lease")
        : retry.Names(killed.ExitCode, killed.Signal) ? (killed, null)
        : (killed with { Reason = EndReason.WorkerLost }, "somebody else has killed its agent (SIGKILL)");

    private async Task<(Launcher? Launcher, string? Error)> PrepareAsync(TaskType type, Workspace workspace)
    {
        Launcher? launcher = null;
        try
        {
            workspace.Furnish();
            launcher = await _tools.Launchers.TakeAsync();
            launcher?.Cgroup?.Limit(type);
            return (launcher, null);
        }
        catch (Exception exception) when (exception is Win32Exception or IOException or UnauthorizedAccessException)
        {
            if (launcher is not null)
                await launcher.DiscardAsync();
            return (null, $"the worker {_tools.Options.Id} cannot start processes as {type.FullName} needs them: {exception.Message}");
        }
    }

    /// <summary>A limit that ends an agent which has given its result does not undo its work: the result decides how the attempt has ended. Null: nothing of the kind.</summary>
    private static EndReason? DecidedBy(AgentNotes said, AgentExit exit) => exit.Reason switch
    {
        _ when !(said.FirstResultAt <= exit.EndAt) => null,
        EndReason.Result or EndReason.TimeLimit or EndReason.Deadline or EndReason.SilenceLimit or EndReason.OutputLimit or EndReason.ProcessLimit or EndReason.DiskLimit or EndReason.MemoryLimit =>
            said.IsError ? EndReason.ResultError : EndReason.Result,
        _ => null,
    };

    private static string? ErrorIn(JsonElement? result) =>
        result is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String && text.GetString() is { Length: > 0 } error ? error : null;

    private static string Masked(string text, SecretForms secrets) => new SecretMask(secrets).Of(text, isWhole: true);

    private void Warn(string message) =>
        _log.Noted(new Note(NoteName.Warning, JsonSerializer.SerializeToElement(new JsonObject { ["message"] = message }), _tools.Clock.GetUtcNow()), static () => { });

    private (IReadOnlyList<Artifact> Kept, int LeftOut) KeepArtifacts(SecretForms secrets)
    {
        try
        {
            var closed = _tools.Artifacts.Close(Queued.TaskId, Attempt);
            _tools.Warnings.NotDeleted([.. closed.NotDeleted.Select(path => Masked(path, secrets))]);
            if (closed.LeftOut > 0)
                Warn($"{closed.LeftOut} of its artifacts {(closed.LeftOut == 1 ? "is" : "are")} left out: {Masked(string.Join("; ", closed.Reasons), secrets)}{(closed.LeftOut > closed.Reasons.Count ? "; …" : "")}");
            return (closed.Kept, closed.LeftOut);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogArtifacts(_tools.Logger, Queued.TaskId, exception.Message);
            return ([], 0);
        }
    }

    private void Spawned(int pid, string folder)
    {
        Pid = pid;
        _log.Running(pid);
        LogStarting(_tools.Logger, Queued.TaskId, Attempt, Queued.Type!.FullName, folder);
        CrashPoint.Reach(CrashPoint.Running);
    }

    /// <summary>From here on the agent hears who wants its end; what was asked for since the last look is told to it at once.</summary>
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

    private void TellPaused(bool isPaused)
    {
        ControlRecord? asked;
        lock (_gate)
            asked = _pause;
        if (isPaused)
            _log.Paused(asked?.RequestedBy);
        else
            _log.Resumed(asked?.RequestedBy);
        LogPaused(_tools.Logger, Queued.TaskId, isPaused ? "stands still" : "goes on");
    }

    private string? Explain(EndReason reason, AgentExit exit, TaskType type, string tail) => reason switch
    {
        EndReason.TimeLimit => $"it ran longer than its limit of {type.TimeLimit}",
        EndReason.Deadline => $"it had not ended by {Queued.Submission.Deadline:O}",
        EndReason.OutputLimit => $"it printed more than its limit of {type.OutputLines} lines or {type.OutputBytes} bytes",
        EndReason.SilenceLimit => $"it printed nothing for longer than its limit of {type.SilenceLimit}",
        EndReason.ProcessLimit => $"it had more processes than its limit of {type.ProcessLimit}",
        EndReason.DiskLimit => $"its workspace held more than its limit of {type.DiskLimit} bytes",
        EndReason.MemoryLimit => "the kernel killed it because memory had run out",
        EndReason.ExitCode when exit.ExitCode != 0 => tail.Length > 0 ? tail : null,
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} starts, attempt {Attempt}: {Type} in {Folder}")]
    private static partial void LogStarting(ILogger logger, string taskId, int attempt, string type, string folder);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} {WhatItDoes}")]
    private static partial void LogPaused(ILogger logger, string taskId, string whatItDoes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What the agent of task {TaskId} has left behind cannot be listed: {Reason}")]
    private static partial void LogArtifacts(ILogger logger, string taskId, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Task {TaskId} cannot be run to its end")]
    private static partial void LogFailed(ILogger logger, Exception exception, string taskId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Attempt {Attempt} of task {TaskId} is lost: {Reason}")]
    private static partial void LogLost(ILogger logger, string taskId, int attempt, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} is given back")]
    private static partial void LogGivenBack(ILogger logger, string taskId);
}

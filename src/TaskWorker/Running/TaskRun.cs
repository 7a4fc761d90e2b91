using System.ComponentModel;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Consuming;
using TaskPipeline.TaskWorker.Projects;
using TaskPipeline.TaskWorker.Reporting;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// One task in the hands of this worker, from its record until it has an outcome. Everything that decides is in the log before anything
/// follows from it: <c>starting</c> before the spawn, <c>exited</c> before the end.
/// </summary>
internal sealed partial class TaskRun : IDisposable
{
    private readonly OwnedLane _lane;
    private readonly TaskSubmission _submission;
    private readonly TaskRunner _tools;
    private readonly CancellationTokenSource _stopped = new();   // before the agent runs: ends the wait for the project's config
    private readonly Lock _gate = new();
    private AgentRun? _agent;             // under the gate, as is all below
    private AttemptLog? _attempt;
    private ControlRecord? _stop;
    private EndReason? _left;             // shutdown or loss: the task goes on elsewhere

    public TaskRun(OwnedLane lane, TaskSubmission submission, long offset, TaskRunner tools)
    {
        _lane = lane;
        _submission = submission;
        _tools = tools;
        Offset = offset;
        Result = Task.Run(RunAsync);
    }

    public OwnedLane Lane => _lane;
    public TaskSubmission Submission => _submission;
    public long Offset { get; }

    /// <summary>The task's end; null: it was left, and goes on elsewhere.</summary>
    public Task<TaskEnd?> Result { get; }

    /// <summary>
    /// Gives the task up. With <see cref="EndReason.WorkerShutdown"/> the agent is stopped politely and the log says that the attempt was given
    /// back; with <see cref="EndReason.WorkerLost"/> the lane is somebody else's by now: the agent is killed and nothing is said.
    /// </summary>
    public void Leave(EndReason reason)
    {
        lock (_gate)
        {
            if (_left is not EndReason.WorkerLost)
                _left = reason;
            _agent?.End(reason, force: reason == EndReason.WorkerLost);
        }
        _stopped.Cancel();
    }

    public void Dispose() => _stopped.Dispose();

    private async Task<TaskEnd?> RunAsync()
    {
        _tools.Stops.Listen(_submission.TaskId, HearStop);
        try
        {
            return await RunAttemptsAsync();
        }
        catch (OperationCanceledException) when (_stopped.IsCancellationRequested)
        {
            return _left is null ? StoppedBeforeStart() : null;
        }
        finally
        {
            _tools.Stops.StopListening();
        }
    }

    private async Task<TaskEnd?> RunAttemptsAsync()
    {
        if (_tools.Catalogue.Find(_submission.Type, _submission.Command) is not { } type)
            return Refused($"there is no task type '{_submission.Type}'{(_submission.Command is null ? "" : $" with command '{_submission.Command}'")}");
        if (type.Validate(_submission.Params) is [_, ..] errors)
            return Refused(string.Join("; ", errors.Select(error => $"{error.Field} {error.Message}")));
        while (true)
        {
            var story = _lane.Log.Stories.GetValueOrDefault(_submission.TaskId);
            if (story?.Outcome is { } outcome && !IsRetried(outcome, story.Charged, type.Retry))
                return Of(outcome);
            if (story is not null && story.Lost >= type.Retry.Lost)
                return new TaskEnd(Status.Failed, EndReason.WorkerLost)
                {
                    Error = $"{story.Lost} attempts were lost with their workers, which is the limit",
                    IsDeadLettered = true,
                };
            _stopped.Token.ThrowIfCancellationRequested();
            if (await RunAttemptAsync(type, story?.NextAttempt ?? 1) is { } end)
                return end;
            if (_left is not null)
                return null;
        }
    }

    /// <summary>One attempt; null: look at the log again, it has what came of it.</summary>
    private async Task<TaskEnd?> RunAttemptAsync(TaskType type, int attempt)
    {
        ProjectConfig project;
        try
        {
            project = await _tools.Projects.GetAsync(_submission.Project, _stopped.Token);
        }
        catch (ProjectRefusedException exception)
        {
            return Refused(exception.Message);
        }
        using var workspace = new Workspace(_tools.Options.DataDirectory, _submission.TaskId, attempt);
        AgentCommand command;
        AgentEnvironment environment;
        try
        {
            var arguments = type.BuildArguments(_submission.Params, project.Paths ?? new Dictionary<string, string>(), workspace.Folder);
            environment = new AgentEnvironment(_submission, type, project, attempt, workspace, _tools.Executables.Path);
            if (_tools.Executables.Find(type.Executable) is not { } executable)
                return Refused($"the worker {_tools.Options.Id} has no program '{type.Executable}'");
            command = new AgentCommand(executable, arguments.Arguments, environment.Variables, workspace.Folder, arguments.Stdin);
        }
        catch (ArgumentsException exception)
        {
            return Refused(exception.Message);
        }
        _stopped.Token.ThrowIfCancellationRequested();

        var log = new AttemptLog(_tools.Log, _lane, _submission.TaskId, attempt, _tools.Options.Id, _tools.Clock);
        await log.StartingAsync(project.Hash);
        LogStarting(_tools.Logger, _submission.TaskId, attempt, type.FullName);
        await RunAgentAsync(type, log, command, environment);
        return null;
    }

    private async Task RunAgentAsync(TaskType type, AttemptLog log, AgentCommand command, AgentEnvironment environment)
    {
        var agent = new AgentRun(command, environment.Variables[RunMarker.Variable], type.TimeLimit, type.Grace, _tools.Clock);
        using var output = new OutputPublisher(
            log, new OutputText(environment.Secrets), (type.OutputLines, type.OutputBytes), () => agent.End(EndReason.OutputLimit, force: false), _tools.Clock);
        Supervise(agent, log);
        AgentExit? exit = null;
        string? error = null;
        try
        {
            exit = await agent.RunAsync(
                (stream, giveUp) => output.ReadAsync(OutputStream.Stdout, stream, giveUp),
                (stream, giveUp) => output.ReadAsync(OutputStream.Stderr, stream, giveUp),
                log.Running);
        }
        catch (Win32Exception exception)
        {
            error = $"{command.Executable} could not be started: {exception.Message}";
        }
        Supervise(null, null);
        await output.CompleteAsync();
        if (exit?.Reason == EndReason.WorkerLost || !_lane.IsOwned)
            return;
        if (exit?.Reason == EndReason.WorkerShutdown)
        {
            await log.AbandonedAsync(EndReason.WorkerShutdown);
            LogGivenBack(_tools.Logger, _submission.TaskId);
            return;
        }
        var reason = exit?.Reason ?? EndReason.SpawnFailed;
        await log.ExitedAsync(reason, exit, error ?? Explain(reason, exit!, type, output.ErrorTail), output.Lines, output.Hash);
    }

    /// <summary>From here on the agent hears who wants its end; what was asked for since the last look is told to it at once.</summary>
    private void Supervise(AgentRun? agent, AttemptLog? log)
    {
        lock (_gate)
        {
            _agent = agent;
            _attempt = log;
            if (_left is { } left)
                agent?.End(left, force: left == EndReason.WorkerLost);
            if (_stop is { } stop)
                agent?.End(EndReason.UserRequest, stop.Force);
        }
    }

    private void HearStop(ControlRecord stop)
    {
        lock (_gate)
        {
            if (_stop is null)
                _attempt?.Stopping(stop.RequestedBy);
            _stop = stop;
            _agent?.End(EndReason.UserRequest, stop.Force);
        }
        _stopped.Cancel();
    }

    private static TaskEnd Of(AttemptExited outcome) => new(StatusRules.EndOf(outcome.Reason, outcome.ExitCode), outcome.Reason)
    {
        ExitCode = outcome.ExitCode,
        Signal = outcome.Signal,
        Error = outcome.Error,
    };

    private static TaskEnd Refused(string error) => new(Status.Failed, EndReason.SpawnFailed) { Error = error };

    private static TaskEnd StoppedBeforeStart() => new(Status.Stopped, EndReason.UserRequest);

    private static bool IsRetried(AttemptExited outcome, int charged, RetryPolicy policy) =>
        StatusRules.EndOf(outcome.Reason, outcome.ExitCode) is Status.Failed or Status.TimedOut
        && charged < policy.Attempts
        && !(outcome.ExitCode is { } code && policy.FinalExitCodes.Contains(code));

    private static string? Explain(EndReason reason, AgentExit exit, TaskType type, string errorTail) => reason switch
    {
        EndReason.TimeLimit => $"it ran longer than its limit of {type.TimeLimit}",
        EndReason.OutputLimit => $"it printed more than its limit of {type.OutputLines} lines or {type.OutputBytes} bytes",
        EndReason.ExitCode when exit.ExitCode != 0 => errorTail.Length > 0 ? errorTail : null,
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} starts, attempt {Attempt}: {Type}")]
    private static partial void LogStarting(ILogger logger, string taskId, int attempt, string type);

    [LoggerMessage(Level = LogLevel.Information, Message = "Task {TaskId} is given back")]
    private static partial void LogGivenBack(ILogger logger, string taskId);
}

/// <summary>How a task ends, as far as its run decides.</summary>
internal sealed record TaskEnd(Status Status, EndReason Reason)
{
    public int? ExitCode { get; init; }
    public string? Signal { get; init; }
    public string? Error { get; init; }
    public bool IsDeadLettered { get; init; }
}

using System.ComponentModel;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>Collects what an agent needs to start: its project's config, a workspace with its files, its environment and its program; and a launcher.</summary>
internal sealed class AgentSetup(
    ProjectConfigClient projects, InputFiles files, ArtifactStore artifacts, Launchers launchers, WorkerWarnings warnings, IOptions<WorkerOptions> options)
{
    private readonly WorkerOptions _options = options.Value;
    private readonly Executables _executables = new(options.Value.SearchPath);

    /// <summary>Waits while Kafka or the project-config API does not answer.</summary>
    /// <exception cref="UnfitException">The task cannot be run.</exception>
    /// <exception cref="ArgumentsException">Its params or its project do not match its type; the task cannot be run either.</exception>
    public async Task<PreparedAgent> PrepareAsync(AttemptOrder order, CancellationToken cancellationToken)
    {
        var (task, type) = (order.Submission, order.Type);
        var asking = projects.GetAsync(task.Project, cancellationToken);
        var secrets = new SecretForms([]);
        var workspace = new Workspace(   // while the config is being fetched
            _options.DataDirectory, artifacts, task.TaskId, order.Id.Attempt, left => warnings.NotDeleted([.. left.Select(path => secrets.Masked(path))]));
        try
        {
            await files.FetchAsync(type, task, workspace.Folder, cancellationToken);
            var project = await asking;
            var arguments = type.BuildArguments(task.Params, project.Paths ?? new Dictionary<string, string>(), workspace.Folder);
            var environment = new AgentEnvironment(task, type, project, order.Id.Attempt, workspace, _executables.Path);
            secrets = environment.Secrets;
            if (arguments.Arguments.Any(secrets.IsIn))
                throw new UnfitException("an argument contains a secret of the agent's environment, and every process of the machine could read it there: "
                    + "let the agent read it from its environment");
            if (_executables.Find(type.Executable) is not { } executable)
                throw new UnfitException($"the worker {_options.Id} has no program '{type.Executable}'");
            var command = new AgentCommand(executable, arguments.Arguments, environment.Variables, workspace.Folder, arguments.Stdin)
            {
                TerminalSize = type.Terminal ? type.TerminalSize ?? TerminalSize.Usual : null,
                OpenFiles = type.OpenFiles,
                TakesInput = type.TakesInput,
            };
            return new PreparedAgent(workspace, command, secrets, project.Hash);
        }
        catch
        {
            workspace.Dispose();
            throw;
        }
    }

    /// <summary>Call this when the worker has time: then a launcher is ready for the next agent.</summary>
    public void PrepareLauncher() => launchers.Prepare();

    /// <summary>
    /// Creates a workspace's folders, and returns a launcher with the limits of a type (null if agents are started directly here), or an error.
    /// </summary>
    public async Task<(Launcher? Launcher, string? Error)> TakeLauncherAsync(TaskType type, Workspace workspace)
    {
        Launcher? launcher = null;
        try
        {
            workspace.CreateFolders();
            launcher = await launchers.TakeAsync();
            launcher?.Cgroup?.Limit(type);
            return (launcher, null);
        }
        catch (Exception exception) when (exception is Win32Exception or IOException or UnauthorizedAccessException)
        {
            if (launcher is not null)
                await launcher.DiscardAsync();
            return (null, $"the worker {_options.Id} cannot start processes for {type.FullName}: {exception.Message}");
        }
    }
}

/// <summary>What to start, and where.</summary>
/// <param name="Secrets">Values that must not appear in its output.</param>
/// <param name="ConfigHash">Hash of its project's config.</param>
internal sealed record PreparedAgent(Workspace Workspace, AgentCommand Command, SecretForms Secrets, string ConfigHash) : IDisposable
{
    public void Dispose() => Workspace.Dispose();
}

using System.ComponentModel;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// Brings together what an agent needs to begin: the config of its project, a workspace with its files, its environment and its program; and a launcher.
/// </summary>
internal sealed class AgentSetup(
    ProjectConfigClient projects, InputFiles files, ArtifactStore artifacts, Launchers launchers, WorkerWarnings warnings, IOptions<WorkerOptions> options)
{
    private readonly WorkerOptions _options = options.Value;
    private readonly Executables _executables = new(options.Value.SearchPath);

    /// <summary>Waits for a Kafka or a project-config API that is away.</summary>
    /// <exception cref="UnfitException">The task cannot be run, as is where the next is thrown.</exception>
    /// <exception cref="ArgumentsException">Its params or its project do not fit its type.</exception>
    public async Task<PreparedAgent> PrepareAsync(AttemptOrder order, CancellationToken cancellationToken)
    {
        var (task, type) = (order.Submission, order.Type);
        var asking = projects.GetAsync(task.Project, cancellationToken);
        var secrets = new SecretForms([]);
        var workspace = new Workspace(   // while the config is on its way
            _options.DataDirectory, artifacts, task.TaskId, order.Id.Attempt, left => warnings.NotDeleted([.. left.Select(path => secrets.Masked(path))]));
        try
        {
            await files.FetchAsync(type, task, workspace.Folder, cancellationToken);
            var project = await asking;
            var arguments = type.BuildArguments(task.Params, project.Paths ?? new Dictionary<string, string>(), workspace.Folder);
            var environment = new AgentEnvironment(task, type, project, order.Id.Attempt, workspace, _executables.Path);
            secrets = environment.Secrets;
            if (arguments.Arguments.Any(secrets.IsIn))
                throw new UnfitException("an argument holds a secret of the agent's environment, where every process of the machine could read it: "
                    + "let the agent take it from its environment");
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

    /// <summary>To be called when there is time for it: then a launcher is at hand for the next agent.</summary>
    public void PrepareLauncher() => launchers.Prepare();

    /// <summary>
    /// Furnishes a workspace, and answers a launcher that holds the limits of a type, where agents need not be started themselves; or why there is none.
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
            return (null, $"the worker {_options.Id} cannot start processes as {type.FullName} needs them: {exception.Message}");
        }
    }
}

/// <summary>What is to be started, and where.</summary>
/// <param name="Secrets">What must not be seen of it.</param>
/// <param name="ConfigHash">Of its project's config.</param>
internal sealed record PreparedAgent(Workspace Workspace, AgentCommand Command, SecretForms Secrets, string ConfigHash) : IDisposable
{
    public void Dispose() => Workspace.Dispose();
}

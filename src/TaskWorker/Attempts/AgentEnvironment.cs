using System.Data.Common;
using System.Text.RegularExpressions;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// The complete environment of an agent, and which of its values are secret. Nothing is inherited from the worker, whose environment can hold Kafka's
/// credentials.
/// </summary>
internal sealed partial class AgentEnvironment
{
    // Names that change which code runs, or that only the worker sets. A catalogue entry can allow one of the former by name.
    private static readonly string[] RefusedPrefixes = ["LD_", "DOTNET_", "PYTHON", "TASK_", "TASKPIPELINE_", "DYLD_", "COMPlus_"];
    private static readonly string[] RefusedNames = ["PATH", "NODE_OPTIONS", "BASH_ENV", "ENV", "IFS", "PERL5OPT", "RUBYOPT", "HOME", "TMPDIR", "DB_CONN"];
    // Names with these endings are secret even if nobody lists them.
    private static readonly string[] SecretEndings =
        ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "ACCESS_KEY", "SECRET_KEY", "PRIVATE_KEY", "CREDENTIALS"];
    private const int ShortestGuessed = 8;
    private static readonly string[] PasswordKeys = ["Password", "Pwd", "AccountKey", "SharedAccessKey"];
    private static readonly string[] TakenOver = ["LANG", "LC_ALL", "TZ", "DOTNET_ROOT", "SSL_CERT_FILE", "SSL_CERT_DIR"];

    private static readonly string[] Pagers = ["PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER"];

    private readonly Dictionary<string, string> _variables = [];

    /// <exception cref="ArgumentsException">The project sets a variable that is not allowed.</exception>
    public AgentEnvironment(TaskSubmission submission, TaskType type, ProjectConfig project, int attempt, Workspace workspace, string searchPath)
    {
        Take(TakenOver);
        Set("PATH", searchPath);
        Set("TERM", type.Terminal ? "xterm-256color" : "dumb");
        Set("CI", "true");
        if (type.Terminal)
            foreach (var pager in Pagers)
                Set(pager, "cat");   // nobody presses a key in a pager
        else
            Set("NO_COLOR", "1");
        Set("PYTHONUNBUFFERED", "1");   // on a pipe Python buffers its output until it ends
        foreach (var (name, value) in project.Env ?? new Dictionary<string, string>())
        {
            if (!VariableName().IsMatch(name) || value.Contains('\0', StringComparison.Ordinal))
                throw new ArgumentsException($"the project's env has '{name}', which is not a valid environment variable");
            if (IsRefused(name) && !type.AllowProjectEnvironment.Contains(name))
                throw new ArgumentsException($"the project's env sets {name}, which task type {type.FullName} does not allow (allow_project_environment)");
            Set(name, value);
        }
        Take(type.PassEnvironment);
        foreach (var (name, value) in type.Environment)
            Set(name, value);
        foreach (var (name, path) in project.Paths ?? new Dictionary<string, string>())
            Set("PROJECT_PATH_" + NotInNames().Replace(name.ToUpperInvariant(), "_"), path);
        if (project.DbConn is { } connection)
            Set("DB_CONN", connection);
        _variables.TryAdd("HOME", workspace.Home);
        _variables.TryAdd("TMPDIR", workspace.Temporary);
        Set("TASK_ID", submission.TaskId);
        Set("TASK_ATTEMPT", attempt.ToString());
        Set("TASK_PROJECT", submission.Project);
        Set("TASK_IDEMPOTENCY_KEY", $"{submission.Project}/{submission.TaskId}");
        Set("TASK_ARTIFACTS", workspace.Artifacts);
        Set(RunMarker.Variable, RunMarker.Of(submission.TaskId, attempt));

        Secrets = new SecretForms([
            .. type.Secrets.Concat(project.Secrets ?? []).Select(name => _variables.GetValueOrDefault(name)).OfType<string>(),
            .. _variables.Where(variable => LooksSecret(variable.Key) && variable.Value.Length >= ShortestGuessed).Select(variable => variable.Value),
            .. PasswordsIn(project.DbConn)]);
    }

    public IReadOnlyDictionary<string, string> Variables => _variables;

    /// <summary>Values that must not appear in arguments and output.</summary>
    public SecretForms Secrets { get; }

    private void Set(string name, string value) => _variables[name] = value;

    private void Take(IEnumerable<string> names)
    {
        foreach (var name in names)
            if (Environment.GetEnvironmentVariable(name) is { } value)
                Set(name, value);
    }

    private static bool IsRefused(string name) =>
        RefusedNames.Contains(name) || RefusedPrefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal));

    private static bool LooksSecret(string name) => SecretEndings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<string> PasswordsIn(string? connection)
    {
        if (connection is null)
            return [];
        if (Uri.TryCreate(connection, UriKind.Absolute, out var uri) && uri.UserInfo.Split(':', 2) is [_, var password])
            return [password, Uri.UnescapeDataString(password)];
        try
        {
            var parts = new DbConnectionStringBuilder { ConnectionString = connection };
            return PasswordKeys.Select(key => parts.TryGetValue(key, out var value) ? value as string : null).OfType<string>();
        }
        catch (ArgumentException)
        {
            return [];   // a file name, not key=value pairs
        }
    }

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]*\z")]
    private static partial Regex VariableName();

    [GeneratedRegex("[^A-Z0-9]")]
    private static partial Regex NotInNames();
}

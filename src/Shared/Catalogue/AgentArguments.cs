using System.Globalization;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>The arguments of one attempt, built from a task type's rules and a task's params.</summary>
public sealed class AgentArguments
{
    private readonly List<string> _arguments;
    private readonly IReadOnlyDictionary<string, string> _projectPaths;
    private readonly string _workspace;

    internal AgentArguments(IEnumerable<string> fixedArguments, IReadOnlyDictionary<string, string> projectPaths, string workspace)
    {
        _arguments = [.. fixedArguments];
        _projectPaths = projectPaths;
        _workspace = workspace;
    }

    public IReadOnlyList<string> Arguments => _arguments;

    /// <summary>The agent's stdin; null: nothing.</summary>
    public string? Stdin { get; private set; }

    /// <summary>Path of an attempt's copy of a file.</summary>
    public static string PathOfFile(string workspace, string param, FileReference file) => Path.Combine(workspace, "files", param, file.Name);

    internal void Add(ParamRule rule, JsonElement value)
    {
        if (rule.Kind == ParamKind.Flag)
        {
            if (value.GetBoolean())
                _arguments.Add(rule.Switch!);
            return;
        }
        var text = rule.Type switch
        {
            ParamType.Boolean => value.GetBoolean() ? "true" : "false",
            ParamType.Integer => value.GetInt64().ToString(CultureInfo.InvariantCulture),
            ParamType.Number => value.GetRawText(),
            ParamType.Path => PathOf(rule, value.GetString()!),
            ParamType.File => PathOfFile(_workspace, rule.Name, FileReference.Parse(value.GetString()!)!),
            _ => value.GetString()!,
        };
        if (rule.Kind == ParamKind.Stdin)
            Stdin = text;
        else if (rule.WhenLong is { } longValue && Encoding.UTF8.GetByteCount(text) > LongValue.Threshold)
            AddLong(rule, longValue, text);
        else
            Add(rule, rule.Switch, text);
    }

    private void AddLong(ParamRule rule, LongValue longValue, string text)
    {
        if (longValue.ByFile)
        {
            var file = Path.Combine(_workspace, rule.Name + ".txt");
            File.WriteAllText(file, text);
            Add(rule, longValue.Option ?? rule.Switch, file);
            return;
        }
        Stdin = text;
        if (longValue.Value is not null)
            Add(rule, longValue.Option ?? rule.Switch, longValue.Value);
    }

    private void Add(ParamRule rule, string? option, string value)
    {
        if (option is null)
            _arguments.Add(value);
        else if (rule.Separate)
            _arguments.AddRange([option, value]);
        else
            _arguments.Add($"{option}={value}");
    }

    private string PathOf(ParamRule rule, string relative)
    {
        if (!_projectPaths.TryGetValue(rule.Under!, out var root))
            throw new ArgumentsException($"params.{rule.Name}: the project's config has no path named '{rule.Under}'");
        var realRoot = RealPath(Path.GetFullPath(root));
        var real = RealPath(Path.GetFullPath(Path.Combine(realRoot, relative)));
        if (real != realRoot && !real.StartsWith(realRoot.TrimEnd('/') + '/', StringComparison.Ordinal))
            throw new ArgumentsException($"params.{rule.Name}: '{relative}' leads out of the project's folder '{rule.Under}'");
        if (!Path.Exists(real))
            throw new ArgumentsException($"params.{rule.Name}: there is no '{relative}' in the project's folder '{rule.Under}'");
        return real;
    }

    /// <summary>Resolves every symbolic link in the path, so that a link inside the folder cannot lead out of it.</summary>
    private static string RealPath(string path)
    {
        var real = Path.GetPathRoot(path)!;
        foreach (var segment in path[real.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var next = Path.Combine(real, segment);
            real = new FileInfo(next) is { LinkTarget: not null } link
                ? RealPath(link.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? next)
                : next;
        }
        return real;
    }
}

/// <summary>The params match their type but not this project; the message is for the task's submitter.</summary>
public sealed class ArgumentsException(string message) : Exception(message);

using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using TaskPipeline.Shared.Tasks;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>The task types. Immutable: a changed file becomes a new catalogue.</summary>
public sealed partial class TaskCatalogue
{
    private readonly Dictionary<(string, string?), TaskType> _types;

    private TaskCatalogue(IReadOnlyList<TaskType> types)
    {
        Types = types;
        _types = types.ToDictionary(type => (type.Name, type.Command));
    }

    public IReadOnlyList<TaskType> Types { get; }

    public TaskType? Find(string type, string? command) => _types.GetValueOrDefault((type, string.IsNullOrEmpty(command) ? null : command));

    /// <summary>Reads a catalogue; throws <see cref="CatalogueException"/> with all its errors.</summary>
    /// <param name="yaml">YAML, which includes JSON.</param>
    /// <param name="folder">The folder for executables with a relative path.</param>
    public static TaskCatalogue Parse(string yaml, string folder)
    {
        CatalogueEntries entries;
        try
        {
            entries = new DeserializerBuilder().WithNamingConvention(UnderscoredNamingConvention.Instance).WithDuplicateKeyChecking().Build()
                .Deserialize<CatalogueEntries?>(yaml) ?? throw new CatalogueException("the file is empty: it needs `types:`");
        }
        catch (YamlException exception)
        {
            throw new CatalogueException($"line {exception.Start.Line}, column {exception.Start.Column}: {Explain(exception)}");
        }
        var errors = new List<string>();
        var types = new List<TaskType>();
        foreach (var (name, entry) in entries.Types)
        {
            if (entry is null)
                errors.Add($"types.{name} is empty");
            else if (entry.Commands is null)
                types.Add(Compile($"types.{name}", name, null, entry, folder, errors));
            else if (entry.Executable is not null)
                errors.Add($"types.{name} has both an executable and commands: move one of them to another type");
            else
                types.AddRange(
                    entry.Commands.Select(command => Compile($"types.{name}.commands.{command.Key}", name, command.Key, command.Value, folder, errors)));
        }
        if (types.Count == 0 && errors.Count == 0)
            errors.Add("`types:` has no task types");
        return errors.Count == 0 ? new TaskCatalogue(types) : throw new CatalogueException(string.Join("; ", errors));
    }

    private static TaskType Compile(string path, string name, string? command, CommandEntry? entry, string folder, List<string> errors)
    {
        entry ??= new CommandEntry();
        if (!NamePattern().IsMatch(name) || (command is not null && !NamePattern().IsMatch(command)))
            errors.Add($"{path}: a name is 1 to 64 letters, digits, dots, underscores and dashes");
        if (string.IsNullOrWhiteSpace(entry.Executable))
            errors.Add($"{path}.executable is required");
        // Options of params come before positionals, but after the fixed arguments: with options, a fixed `--` is not directly before the
        // positionals.
        var areBehindDashes = entry.Arguments is [.., "--"]
            && entry.Params.Values.All(param => param is { Flag: null, Option: null, WhenLong: null or { Option: null } });
        var type = new TaskType
        {
            Name = name,
            Command = command,
            Summary = entry.Summary,
            Executable = Locate(entry.Executable ?? "", folder),
            Arguments = entry.Arguments,
            Params =
            [
                .. entry.Params.Select(param => Compile($"{path}.params.{param.Key}", param.Key, param.Value ?? new ParamEntry(), areBehindDashes, errors)),
            ],
            Environment = entry.Environment,
            PassEnvironment = entry.PassEnvironment,
            AllowProjectEnvironment = entry.AllowProjectEnvironment,
            Secrets = entry.Secrets,
        };
        if (type.Params.Count(param => param.Kind == ParamKind.Stdin) > 1)
            errors.Add($"{path}.params: only one param can be the agent's stdin");
        var hasStdin = type.Params.Any(param => param.Kind == ParamKind.Stdin || param.WhenLong is { ByFile: false });
        if (entry.Terminal && hasStdin)
            errors.Add($"{path}.terminal: the agent's stdin is the terminal, so no param can use it");
        if (entry.Input && hasStdin)
            errors.Add($"{path}.input: the agent's stdin stays open for input, so no param can use it");
        if (entry.TimeLimit is { } timeLimit)
            type = type with { TimeLimit = Required(Quantity.Duration(timeLimit), $"{path}.time_limit", "a duration such as 90s, 10m or 6h", errors) };
        if (entry.Grace is { } grace)
            type = type with { Grace = Required(Quantity.Duration(grace), $"{path}.grace", "a duration such as 500ms or 5s", errors) };
        if (entry.OutputLimit is { } limit)
            type = type with
            {
                OutputLines = limit.Lines ?? type.OutputLines,
                OutputBytes = limit.Bytes is null ? type.OutputBytes
                    : Required(Quantity.Bytes(limit.Bytes), $"{path}.output_limit.bytes", "a size such as 64KiB or 256MiB", errors),
                AtOutputLimit = Word<AtOutputLimit>(limit.Then, $"{path}.output_limit.then", errors) ?? type.AtOutputLimit,
            };
        type = WithLimits(type, path, entry, errors) with
        {
            Retry = Compile($"{path}.retry", entry.Retry ?? new RetryEntry(), errors),
            Parser = Word<AgentParser>(entry.Parser, $"{path}.parser", errors) ?? AgentParser.None,
            Overlap = Word<Overlap>(entry.Overlap, $"{path}.overlap", errors) ?? (entry.Concurrency is null ? Overlap.Allow : Overlap.Never),
            Priority = Word<Priority>(entry.Priority, $"{path}.priority", errors) ?? Priority.Normal,
            StartBy = Duration(entry.StartBy, $"{path}.start_by", errors),
            Deadline = Duration(entry.Deadline, $"{path}.deadline", errors),
        };
        if (entry.Concurrency is { } concurrency)
        {
            type = type with { Concurrency = new(concurrency.Key ?? "{type}/{project}", concurrency.Limit ?? 1) };
            if (type.Concurrency.Limit is < 1 or > 1000)
                errors.Add($"{path}.concurrency.limit must be 1 to 1000");
            if (type.Concurrency.Key.Length is 0 or > 200)
                errors.Add($"{path}.concurrency.key must have 1 to 200 characters");
        }
        return type with { Hash = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(type, CatalogueJson.Default.TaskType)))[..16] };
    }

    private static TaskType WithLimits(TaskType type, string path, CommandEntry entry, List<string> errors)
    {
        if (entry.ProcessLimit is < 1)
            errors.Add($"{path}.process_limit must be 1 or more");
        if (entry.OpenFiles is < 16)
            errors.Add($"{path}.open_files must be 16 or more");
        if (entry.CpuLimit is { } processors && !(processors is >= 0.01 and <= 1000))
            errors.Add($"{path}.cpu_limit must be 0.01 to 1000 processors");
        return type with
        {
            SilenceLimit = Duration(entry.SilenceLimit, $"{path}.silence_limit", errors),
            ProcessLimit = entry.ProcessLimit,
            DiskLimit = Size(entry.DiskLimit, $"{path}.disk_limit", errors),
            OpenFiles = entry.OpenFiles,
            MemoryLimit = Size(entry.MemoryLimit, $"{path}.memory_limit", errors),
            CpuLimit = entry.CpuLimit,
            Terminal = entry.Terminal,
            TerminalSize = entry.TerminalSize is { } size ? SizeOf(size, $"{path}.terminal_size", entry.Terminal, errors) : null,
            AfterResult = Duration(entry.AfterResult, $"{path}.after_result", errors),
            TakesInput = entry.Input,
        };
    }

    private static TerminalSize SizeOf(TerminalSizeEntry entry, string path, bool hasTerminal, List<string> errors)
    {
        var size = new TerminalSize(entry.Columns ?? TerminalSize.Usual.Columns, entry.Rows ?? TerminalSize.Usual.Rows);
        if (!hasTerminal)
            errors.Add($"{path}: only an agent with a terminal has a size, add terminal: true");
        if (size.Columns is < 20 or > 1000)
            errors.Add($"{path}.columns must be 20 to 1000");
        if (size.Rows is < 5 or > 1000)
            errors.Add($"{path}.rows must be 5 to 1000");
        return size;
    }

    private static RetryPolicy Compile(string path, RetryEntry entry, List<string> errors)
    {
        var usual = new RetryPolicy();
        var backoff = entry.Backoff ?? new BackoffEntry();
        var policy = new RetryPolicy
        {
            Attempts = entry.Attempts ?? usual.Attempts,
            Lost = entry.Lost ?? usual.Lost,
            OnLost = Word<OnLost>(entry.OnLost, $"{path}.on_lost", errors) ?? usual.OnLost,
            FinalExitCodes = entry.FinalExitCodes,
            Backoff = new(
                Duration(backoff.First, $"{path}.backoff.first", errors) ?? usual.Backoff.First,
                backoff.Factor ?? usual.Backoff.Factor,
                Duration(backoff.Max, $"{path}.backoff.max", errors) ?? usual.Backoff.Max,
                backoff.Jitter ?? usual.Backoff.Jitter),
            Rules = [.. entry.Rules.Select((rule, index) => Compile($"{path}.rules[{index}]", rule ?? new RetryRuleEntry(), errors))],
        };
        if (policy.Attempts is < 1 or > 100)
            errors.Add($"{path}.attempts must be 1 to 100");
        if (policy.Lost is < 1 or > 100)
            errors.Add($"{path}.lost must be 1 to 100");
        if (policy.Backoff.Factor is < 1 or > 100)
            errors.Add($"{path}.backoff.factor must be 1 to 100");
        if (policy.Backoff.Jitter is < 0 or > 1)
            errors.Add($"{path}.backoff.jitter must be 0 to 1");
        return policy;
    }

    private static RetryRule Compile(string path, RetryRuleEntry entry, List<string> errors)
    {
        if (entry.ExitCodes.Count + entry.Signals.Count + entry.Reasons.Count + entry.Event.Count == 0)
            errors.Add($"{path} matches everything: add exit_codes, signals, reasons or event");
        return new RetryRule(Required(Word<AfterFailure>(entry.Then, $"{path}.then", errors), $"{path}.then", EnumWords.List<AfterFailure>(), errors))
        {
            ExitCodes = entry.ExitCodes,
            Signals = entry.Signals,
            Reasons = [.. entry.Reasons.Select(reason => Word<EndReason>(reason, $"{path}.reasons", errors) ?? default)],
            Event = entry.Event,
            Class = Word<FailureClass>(entry.Class, $"{path}.class", errors),
        };
    }

    private static ParamRule Compile(string path, string name, ParamEntry entry, bool isBehindDashes, List<string> errors)
    {
        if (!ParamPattern().IsMatch(name))
            errors.Add($"{path}: a param's name is lower case letters, digits and underscores");
        ParamKind[] kinds = [.. Kinds(entry)];
        if (kinds.Length != 1)
            errors.Add($"{path} must have exactly one of flag, option, positional and stdin");
        var kind = kinds.FirstOrDefault(ParamKind.Option);
        var type = ParamType.String;
        if (entry.Type is not null && !Enum.TryParse(entry.Type, ignoreCase: true, out type))
            errors.Add($"{path}.type must be string, integer, number, boolean, path or file");
        if (kind == ParamKind.Flag && entry.Type is null)
            type = ParamType.Boolean;
        if (kind == ParamKind.Flag && type != ParamType.Boolean)
            errors.Add($"{path}.type: a flag is a boolean");
        if (type == ParamType.Path != entry.Under is not null)
            errors.Add($"{path}: a path, and only a path, names the project's folder that contains it (`under: data`)");
        if ((entry.Flag ?? entry.Option) is { } option && !SwitchPattern().IsMatch(option))
            errors.Add($"{path}: '{option}' is not an option; it begins with a dash and has no spaces or equals sign");
        if (entry.Pattern is not null && !IsRegex(entry.Pattern))
            errors.Add($"{path}.pattern is not a regular expression");
        if (entry.WhenLong is { Pass: not ("stdin" or "file") })
            errors.Add($"{path}.when_long.pass must be stdin or file");
        var rule = new ParamRule
        {
            Name = name,
            Kind = kind,
            Type = type,
            Summary = entry.Summary,
            Switch = entry.Flag ?? entry.Option,
            Separate = entry.Separate,
            IsBehindDashes = isBehindDashes && kind == ParamKind.Positional,
            WhenLong = entry.WhenLong is { } longValue ? new(longValue.Pass == "file", longValue.Value, longValue.Option) : null,
            Required = entry.Required,
            Pattern = entry.Pattern,
            Choices = entry.Choices,
            Min = entry.Min,
            Max = entry.Max,
            MaxLength = entry.MaxLength,
            Under = entry.Under,
        };
        if (entry.Default is null)
            return rule;
        rule = rule with { Default = DefaultOf(type, entry.Default) };
        if (rule.ErrorIn(rule.Default) is { } error)
            errors.Add($"{path}.default {error}");
        return rule;
    }

    private static IEnumerable<ParamKind> Kinds(ParamEntry entry)
    {
        if (entry.Flag is not null)
            yield return ParamKind.Flag;
        if (entry.Option is not null)
            yield return ParamKind.Option;
        if (entry.Positional)
            yield return ParamKind.Positional;
        if (entry.Stdin)
            yield return ParamKind.Stdin;
    }

    private static JsonElement DefaultOf(ParamType type, string text) => type switch
    {
        ParamType.Boolean when bool.TryParse(text, out var value) => JsonSerializer.SerializeToElement(value),
        ParamType.Integer when long.TryParse(text, CultureInfo.InvariantCulture, out var value) => JsonSerializer.SerializeToElement(value),
        ParamType.Number when double.TryParse(text, CultureInfo.InvariantCulture, out var value) => JsonSerializer.SerializeToElement(value),
        _ => JsonSerializer.SerializeToElement(text),
    };

    private static string Locate(string executable, string folder) =>
        executable.Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(Path.Combine(folder, executable)) : executable;

    private static T Required<T>(T? value, string path, string what, List<string> errors) where T : struct
    {
        if (value is null)
            errors.Add($"{path} must be {what}");
        return value ?? default;
    }

    private static TimeSpan? Duration(string? text, string path, List<string> errors) =>
        text is null ? null : Required(Quantity.Duration(text), path, "a duration such as 90s, 10m or 6h", errors);

    private static long? Size(string? text, string path, List<string> errors) =>
        text is null ? null : Required(Quantity.Bytes(text), path, "a size such as 64KiB or 256MiB", errors);

    /// <summary>An enumeration's value by its word in the file.</summary>
    private static T? Word<T>(string? text, string path, List<string> errors) where T : struct, Enum
    {
        if (text is null)
            return null;
        if (EnumWords.Find<T>(text) is { } value)
            return value;
        errors.Add($"{path} must be {EnumWords.List<T>()}");
        return null;
    }

    private static bool IsRegex(string pattern)
    {
        try
        {
            _ = new Regex(pattern);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string Explain(YamlException exception)
    {
        var cause = exception.InnerException?.Message ?? exception.Message;
        return UnknownProperty().Match(cause) is { Success: true } match ? $"unknown field '{match.Groups[1].Value}'" : cause;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,64}\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"\A[a-z][a-z0-9_]{0,63}\z")]
    private static partial Regex ParamPattern();

    [GeneratedRegex(@"\A-{1,2}[A-Za-z0-9][A-Za-z0-9._-]*\z")]
    private static partial Regex SwitchPattern();

    [GeneratedRegex("Property '([^']+)' not found")]
    private static partial Regex UnknownProperty();
}

/// <summary>The catalogue is invalid; the message says where and why.</summary>
public sealed class CatalogueException(string message) : Exception(message);

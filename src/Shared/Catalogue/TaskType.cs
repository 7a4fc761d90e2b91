using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>
/// How tasks of one type and command are run: the program, how params become arguments, and the limits. Values never pass through a shell, and never
/// become an option that the catalogue does not name.
/// </summary>
public sealed record TaskType
{
    public required string Name { get; init; }
    public string? Command { get; init; }
    public string? Summary { get; init; }

    /// <summary>A path, or a name that the worker looks up.</summary>
    public required string Executable { get; init; }

    public IReadOnlyList<string> Arguments { get; init; } = [];
    public IReadOnlyList<ParamRule> Params { get; init; } = [];

    /// <summary>Variables with fixed values for the agent.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Names of variables that are copied from the worker's environment.</summary>
    public IReadOnlyList<string> PassEnvironment { get; init; } = [];

    /// <summary>Names that the project's <c>env</c> may set although they change how programs are loaded.</summary>
    public IReadOnlyList<string> AllowProjectEnvironment { get; init; } = [];

    /// <summary>Names of environment variables whose values are masked in the output.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromHours(6);

    /// <summary>Time between SIGTERM and SIGKILL.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    public long OutputLines { get; init; } = 10_000_000;
    public long OutputBytes { get; init; } = 256L << 20;

    /// <summary>What happens to an attempt that prints more.</summary>
    public AtOutputLimit AtOutputLimit { get; init; }

    /// <summary>The agent CLI whose JSON lines are parsed.</summary>
    public AgentParser Parser { get; init; }

    /// <summary>Longest time without output; null: no limit.</summary>
    public TimeSpan? SilenceLimit { get; init; }

    /// <summary>Most processes of an attempt at a time; null: no limit.</summary>
    public int? ProcessLimit { get; init; }

    /// <summary>Bytes in an attempt's workspace; null: no limit.</summary>
    public long? DiskLimit { get; init; }

    /// <summary>Open files per process; null: the worker's own limit.</summary>
    public int? OpenFiles { get; init; }

    /// <summary>Bytes of memory of all of an attempt's processes; null: no limit.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Processors for all of an attempt's processes; null: all.</summary>
    public double? CpuLimit { get; init; }

    /// <summary>The agent gets a terminal instead of pipes.</summary>
    public bool Terminal { get; init; }

    /// <summary>Size of that terminal; null: the default.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]   // keeps the hash of types without it as in versions before this member
    public TerminalSize? TerminalSize { get; init; }

    /// <summary>How long an agent can run after it has reported its result; null: no limit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TimeSpan? AfterResult { get; init; }

    /// <summary>Its stdin stays open for lines that are sent to it.</summary>
    public bool TakesInput { get; init; }

    public RetryPolicy Retry { get; init; } = new();

    /// <summary>Never: two attempts of a task must not run at the same time, whatever fails. Each loss of a worker then costs a wait of one session.</summary>
    public Overlap Overlap { get; init; }

    /// <summary>How many tasks with the same key can run at a time; null: no limit.</summary>
    public ConcurrencyRule? Concurrency { get; init; }

    public Priority Priority { get; init; } = Priority.Normal;

    /// <summary>From the submission to the latest start of the first attempt.</summary>
    public TimeSpan? StartBy { get; init; }

    /// <summary>From the submission to the latest end of the task.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>Hash of everything above: two processes with the same hash run the task in the same way.</summary>
    public string Hash { get; init; } = "";

    public string FullName => Command is null ? Name : $"{Name} {Command}";

    /// <summary>All errors of the params, by field; empty: they are valid.</summary>
    public IReadOnlyList<FieldError> Validate(IReadOnlyDictionary<string, JsonElement> parameters)
    {
        var errors = new List<FieldError>();
        foreach (var name in parameters.Keys.Where(name => Params.All(rule => rule.Name != name)))
            errors.Add(new($"params.{name}", Params.Count == 0
                ? $"{FullName} takes no params"
                : $"{FullName} has no such param; it takes {string.Join(", ", Params.Select(rule => rule.Name))}"));
        foreach (var rule in Params)
            if (rule.ErrorIn(ValueOf(rule, parameters)) is { } error)
                errors.Add(new($"params.{rule.Name}", error));
        return errors;
    }

    /// <summary>
    /// <see cref="Validate(IReadOnlyDictionary{string, JsonElement})"/>, and also whether the files are kept long enough for a task that waits from then on.
    /// </summary>
    /// <param name="runAt">The earliest time at which the task can run.</param>
    /// <param name="taskRetention">Files are kept for twice as long.</param>
    public IReadOnlyList<FieldError> Validate(IReadOnlyDictionary<string, JsonElement> parameters, DateTimeOffset runAt, TimeSpan taskRetention)
    {
        var errors = Validate(parameters);
        return errors.Count > 0
            ? errors
            : [.. FilesOf(parameters).Where(given => runAt > given.File.StoredAt + taskRetention)
                .Select(given => new FieldError(
                    $"params.{given.Param}", $"is kept for tasks that run by {given.File.StoredAt + taskRetention:yyyy-MM-ddTHH:mm:ssZ} only: store "
                    + "the file again"))];
    }

    /// <summary>The files among a task's params.</summary>
    public IEnumerable<(string Param, FileReference File)> FilesOf(IReadOnlyDictionary<string, JsonElement> parameters)
    {
        foreach (var rule in Params.Where(rule => rule.Type == ParamType.File))
            if (ValueOf(rule, parameters) is { } value && FileReference.Parse(value.GetString()!) is { } file)
                yield return (rule.Name, file);
    }

    /// <summary>The arguments after the executable, and the stdin. <paramref name="parameters"/> must be valid.</summary>
    public AgentArguments BuildArguments(
        IReadOnlyDictionary<string, JsonElement> parameters, IReadOnlyDictionary<string, string> projectPaths, string workspace)
    {
        var arguments = new AgentArguments(Arguments, projectPaths, workspace);
        foreach (var rule in Params.OrderBy(rule => rule.Kind == ParamKind.Positional))   // stable sort: positionals last, otherwise in the catalogue's order
            if (ValueOf(rule, parameters) is { } value)
                arguments.Add(rule, value);
        return arguments;
    }

    /// <summary>JSON Schema of the params.</summary>
    public JsonObject ParamsSchema()
    {
        var schema = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject(Params.Select(rule => KeyValuePair.Create<string, JsonNode?>(rule.Name, rule.Schema()))),
            ["additionalProperties"] = false,
        };
        if (Params.Any(rule => rule.Required))
            schema["required"] = new JsonArray([.. Params.Where(rule => rule.Required).Select(rule => JsonValue.Create(rule.Name))]);
        return schema;
    }

    /// <summary>Fills in the type's defaults that the submission does not set.</summary>
    /// <param name="readAt">Kafka's timestamp, for a submission without a time of its own.</param>
    public TaskSubmission Complete(TaskSubmission task, DateTimeOffset readAt)
    {
        var submittedAt = task.SubmittedAt ?? readAt;
        var begin = task.RunAt ?? submittedAt;
        return task with
        {
            SubmittedAt = submittedAt,
            StartBy = task.StartBy ?? begin + StartBy,
            Deadline = task.Deadline ?? begin + Deadline,
            Concurrency = task.Concurrency ?? Concurrency?.For(task),
        };
    }

    private static JsonElement? ValueOf(ParamRule rule, IReadOnlyDictionary<string, JsonElement> parameters) =>
        parameters.TryGetValue(rule.Name, out var value) && value.ValueKind != JsonValueKind.Null ? value : rule.Default;
}

/// <summary>The agent CLI whose JSON lines are parsed.</summary>
public enum AgentParser
{
    None,
    Claude,
    Codex,
}

/// <summary>Size of a terminal in characters.</summary>
public sealed record TerminalSize(int Columns, int Rows)
{
    /// <summary>Wide enough that tables and progress bars are not wrapped.</summary>
    public static TerminalSize Usual { get; } = new(200, 50);
}

public enum AtOutputLimit
{
    /// <summary>The attempt is stopped.</summary>
    End,

    /// <summary>The attempt continues; the middle of its output is not kept.</summary>
    Cut,
}

public enum Overlap
{
    Allow,
    Never,
}

/// <summary>At most <paramref name="Limit"/> tasks with the same key run at a time.</summary>
/// <param name="Key">Text in which <c>{project}</c> and <c>{type}</c> are replaced by the task's.</param>
public sealed record ConcurrencyRule(string Key, int Limit)
{
    public Concurrency For(TaskSubmission task) =>
        new(Key.Replace("{project}", task.Project, StringComparison.Ordinal).Replace("{type}", task.Type, StringComparison.Ordinal), Limit);
}

/// <summary>An error in one field of a request.</summary>
/// <param name="Field">A path such as <c>params.main_tab</c>.</param>
public sealed record FieldError(string Field, string Message);

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>
/// How tasks of one type and command are run: which program, which arguments its params become, and its limits.
/// Values never pass through a shell, and never become an option that the catalogue does not name.
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

    /// <summary>Set for the agent as they stand.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Names that are taken over from the worker's own environment.</summary>
    public IReadOnlyList<string> PassEnvironment { get; init; } = [];

    /// <summary>Names that the project's <c>env</c> may set although they change how programs load.</summary>
    public IReadOnlyList<string> AllowProjectEnvironment { get; init; } = [];

    /// <summary>Names of environment variables whose values are masked in the output.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromHours(6);

    /// <summary>Between SIGTERM and SIGKILL.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    public long OutputLines { get; init; } = 10_000_000;
    public long OutputBytes { get; init; } = 256L << 20;

    /// <summary>What happens to an attempt that prints more.</summary>
    public AtOutputLimit AtOutputLimit { get; init; }

    /// <summary>Which agent CLI it is, where its JSON lines are to be understood.</summary>
    public AgentParser Parser { get; init; }

    /// <summary>How long an attempt may print nothing; null: for ever.</summary>
    public TimeSpan? SilenceLimit { get; init; }

    /// <summary>How many processes an attempt may have at a time; null: any number.</summary>
    public int? ProcessLimit { get; init; }

    /// <summary>Bytes in an attempt's workspace; null: any number.</summary>
    public long? DiskLimit { get; init; }

    /// <summary>How many files each process may have open; null: as many as the worker's may.</summary>
    public int? OpenFiles { get; init; }

    /// <summary>Bytes of memory that an attempt's processes may use together; null: any number.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Processors that an attempt's processes may use together; null: all.</summary>
    public double? CpuLimit { get; init; }

    /// <summary>The agent gets a terminal instead of pipes.</summary>
    public bool Terminal { get; init; }

    /// <summary>Of that terminal; null: the usual one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]   // so the hash of a type that says nothing of it is what it was before there was this
    public TerminalSize? TerminalSize { get; init; }

    /// <summary>How long an agent may go on after it has given its result; null: until another limit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TimeSpan? AfterResult { get; init; }

    /// <summary>Its stdin stays open, for lines that others send to it.</summary>
    public bool TakesInput { get; init; }

    public RetryPolicy Retry { get; init; } = new();

    /// <summary>Never: two attempts of a task must not run at once, whatever fails. Each loss of a worker then costs a session's wait.</summary>
    public Overlap Overlap { get; init; }

    /// <summary>How many tasks of one key may run at a time; null: any number.</summary>
    public ConcurrencyRule? Concurrency { get; init; }

    public Priority Priority { get; init; } = Priority.Normal;

    /// <summary>From the submission until the first attempt must have started.</summary>
    public TimeSpan? StartBy { get; init; }

    /// <summary>From the submission until the task must have ended.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>Hash of everything above: two processes with the same hash run the task in the same way.</summary>
    public string Hash { get; init; } = "";

    public string FullName => Command is null ? Name : $"{Name} {Command}";

    /// <summary>Everything that is wrong with the params, each with the field it concerns; empty: they fit.</summary>
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
    /// The arguments behind the executable, and what goes to its stdin. <paramref name="parameters"/> must be valid;
    /// throws <see cref="ArgumentsException"/> where a path leaves its project folder or does not exist.
    /// </summary>
    /// <summary>
    /// <see cref="Validate(IReadOnlyDictionary{string, JsonElement})"/>, and whether the files are kept for as long as the task may wait from a time
    /// on.
    /// </summary>
    /// <param name="runAt">When the task may run first.</param>
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

    /// <summary>The files that a task is given.</summary>
    public IEnumerable<(string Param, FileReference File)> FilesOf(IReadOnlyDictionary<string, JsonElement> parameters)
    {
        foreach (var rule in Params.Where(rule => rule.Type == ParamType.File))
            if (ValueOf(rule, parameters) is { } value && FileReference.Parse(value.GetString()!) is { } file)
                yield return (rule.Name, file);
    }

    public AgentArguments BuildArguments(
        IReadOnlyDictionary<string, JsonElement> parameters, IReadOnlyDictionary<string, string> projectPaths, string workspace)
    {
        var arguments = new AgentArguments(Arguments, projectPaths, workspace);
        foreach (var rule in Params.OrderBy(rule => rule.Kind == ParamKind.Positional))   // stable: positionals last, each kind in the catalogue's order
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

    /// <summary>Fills in what the type says of its tasks and the submission does not.</summary>
    /// <param name="readAt">When Kafka had it, for one that does not say itself when it was submitted.</param>
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

/// <summary>Whose JSON lines are understood.</summary>
public enum AgentParser
{
    None,
    Claude,
    Codex,
}

/// <summary>How large a terminal is, in characters.</summary>
public sealed record TerminalSize(int Columns, int Rows)
{
    /// <summary>Wide enough that tables and progress bars are not folded.</summary>
    public static TerminalSize Usual { get; } = new(200, 50);
}

public enum AtOutputLimit
{
    /// <summary>The attempt is stopped.</summary>
    End,

    /// <summary>It goes on; the middle of its output is not kept.</summary>
    Cut,
}

public enum Overlap
{
    Allow,
    Never,
}

/// <summary>At most <paramref name="Limit"/> tasks whose keys are the same run at a time.</summary>
/// <param name="Key">Text in which <c>{project}</c> and <c>{type}</c> stand for the task's.</param>
public sealed record ConcurrencyRule(string Key, int Limit)
{
    public Concurrency For(TaskSubmission task) =>
        new(Key.Replace("{project}", task.Project, StringComparison.Ordinal).Replace("{type}", task.Type, StringComparison.Ordinal), Limit);
}

/// <summary>What is wrong with one field of a request.</summary>
/// <param name="Field">As a path, such as <c>params.main_tab</c>.</param>
public sealed record FieldError(string Field, string Message);

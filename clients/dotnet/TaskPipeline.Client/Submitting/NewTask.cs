using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>A task to submit.</summary>
public sealed record NewTask
{
    /// <summary>One of the server's task types (<see cref="TaskPipelineClient.TaskTypesAsync"/>).</summary>
    public required string Type { get; init; }

    /// <summary>One of the type's commands, where it has some.</summary>
    public string? Command { get; init; }

    /// <summary>As the type's schema says, such as <c>new() { ["text"] = "hello" }</c>.</summary>
    public JsonObject? Params { get; init; }

    /// <summary>Whose database, paths and environment the agent gets; <c>default</c> where it is missing.</summary>
    public string? Project { get; init; }

    /// <summary>An id of your own: the same id with the same task again is the same task. Not together with an idempotency key.</summary>
    public string? TaskId { get; init; }

    /// <summary>Names and values of your own.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>How long to wait before it comes into its queue.</summary>
    [JsonConverter(typeof(SecondsJson))]
    public TimeSpan? Delay { get; init; }

    /// <summary>When it comes into its queue. Not together with <see cref="Delay"/>.</summary>
    public DateTimeOffset? RunAt { get; init; }

    /// <summary>It expires if no attempt has started by then.</summary>
    public TimeLimit? StartBy { get; init; }

    /// <summary>It is ended by then, however many attempts are left.</summary>
    public TimeLimit? Deadline { get; init; }

    /// <summary>In which order the tasks of its lane are taken; the type's own where it is missing.</summary>
    public Priority? Priority { get; init; }

    /// <summary>How many tasks with one key may run at a time; the type's own where it is missing.</summary>
    public Concurrency? Concurrency { get; init; }
}

/// <summary>In which order tasks are taken that wait in one lane.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Priority>))]
public enum Priority
{
    /// <summary>Before the others.</summary>
    [JsonStringEnumMemberName("high")]
    High,

    /// <summary>As most are.</summary>
    [JsonStringEnumMemberName("normal")]
    Normal,

    /// <summary>After the others.</summary>
    [JsonStringEnumMemberName("low")]
    Low,
}

/// <summary>Of a project's tasks with one key only so many run at a time.</summary>
public sealed record Concurrency
{
    /// <summary>1 to 200 characters.</summary>
    public required string Key { get; init; }

    /// <summary>1 to 1000; 1 where it is missing.</summary>
    public int? Limit { get; init; }
}

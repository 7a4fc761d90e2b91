using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>A task to submit.</summary>
public sealed record NewTask
{
    /// <summary>One of the server's task types (<see cref="TaskPipelineClient.TaskTypesAsync"/>).</summary>
    public required string Type { get; init; }

    /// <summary>One of the type's commands, if it has any.</summary>
    public string? Command { get; init; }

    /// <summary>Params that match the type's schema, such as <c>new() { ["text"] = "hello" }</c>.</summary>
    public JsonObject? Params { get; init; }

    /// <summary>The project whose database, paths and environment the agent gets; null: <c>default</c>.</summary>
    public string? Project { get; init; }

    /// <summary>Your own id. Submitting the same task with the same id again creates no second task. Not together with an idempotency key.</summary>
    public string? TaskId { get; init; }

    /// <summary>Your own labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>How long to wait before the task enters its queue.</summary>
    [JsonConverter(typeof(SecondsJson))]
    public TimeSpan? Delay { get; init; }

    /// <summary>When the task enters its queue. Not together with <see cref="Delay"/>.</summary>
    public DateTimeOffset? RunAt { get; init; }

    /// <summary>The task expires if no attempt has started by then.</summary>
    public TimeLimit? StartBy { get; init; }

    /// <summary>The task is ended at this time, even if attempts are left.</summary>
    public TimeLimit? Deadline { get; init; }

    /// <summary>Order among the tasks of its lane; null: the type's priority.</summary>
    public Priority? Priority { get; init; }

    /// <summary>How many tasks with one key run at the same time; null: the type's setting.</summary>
    public Concurrency? Concurrency { get; init; }
}

/// <summary>The order in which waiting tasks of a lane start.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Priority>))]
public enum Priority
{
    /// <summary>Before the others.</summary>
    [JsonStringEnumMemberName("high")]
    High,

    /// <summary>The default.</summary>
    [JsonStringEnumMemberName("normal")]
    Normal,

    /// <summary>After the others.</summary>
    [JsonStringEnumMemberName("low")]
    Low,
}

/// <summary>Limits how many tasks of a project with the same key run at the same time.</summary>
public sealed record Concurrency
{
    /// <summary>1 to 200 characters.</summary>
    public required string Key { get; init; }

    /// <summary>1 to 1000; null: 1.</summary>
    public int? Limit { get; init; }
}

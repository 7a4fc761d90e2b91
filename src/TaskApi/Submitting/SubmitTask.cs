using System.ComponentModel;
using System.Text.Json;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>The body of <c>POST /tasks</c>.</summary>
public sealed record SubmitTask
{
    [Description("Whose database, paths and environment the agent gets.")]
    public string Project { get; init; } = "default";

    [Description("A type of GET /task-types.")]
    public required string Type { get; init; }

    [Description("One of the type's commands, where it has some.")]
    public string? Command { get; init; }

    [Description("As the type's schema in GET /task-types says.")]
    public IReadOnlyDictionary<string, JsonElement> Params { get; init; } = new Dictionary<string, JsonElement>();

    [Description("An id of your own, 1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and dash. The same id with the same body again is the same task.")]
    public string? TaskId { get; init; }

    [Description("Names and values of your own, for your own use.")]
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>Where a task can be followed. Lane and offset in the links let every replica answer for it at once.</summary>
public sealed record TaskLinks(string Self, string Watch, string Events, string Output, string Stop)
{
    internal static TaskLinks Of(string taskId, int lane, long offset)
    {
        var at = $"?lane={lane}&offset={offset}";
        return new($"/tasks/{taskId}{at}", $"/tasks/{taskId}/watch{at}", $"/tasks/{taskId}/events{at}", $"/tasks/{taskId}/output{at}", $"/tasks/{taskId}/stop{at}");
    }
}

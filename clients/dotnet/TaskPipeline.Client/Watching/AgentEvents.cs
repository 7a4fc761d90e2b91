using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>Something that the agent reported about its work.</summary>
public abstract record AgentEvent : WatchEvent
{
    /// <summary>The attempt that reported it.</summary>
    public int Attempt { get; init; }

    /// <summary>The reported data.</summary>
    public required JsonElement Data { get; init; }

    private protected string? Text(string name) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>The agent's progress.</summary>
public sealed record ProgressEvent : AgentEvent
{
    /// <summary>From 0 to 100.</summary>
    [JsonIgnore]
    public double? Percent =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty("percent", out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    /// <summary>The current step.</summary>
    [JsonIgnore]
    public string? Step => Text("step");
}

/// <summary>Beginning of a group of events, which lasts until the next group.</summary>
public sealed record GroupEvent : AgentEvent
{
    /// <summary>Its name.</summary>
    [JsonIgnore]
    public string? Name => Text("name");
}

/// <summary>A warning for people.</summary>
public sealed record WarningEvent : AgentEvent
{
    /// <summary>Its text.</summary>
    [JsonIgnore]
    public string? Message => Text("message");
}

/// <summary>The agent has made a file.</summary>
public sealed record ArtifactEvent : AgentEvent
{
    /// <summary>Name of the file.</summary>
    [JsonIgnore]
    public string? Name => Text("name");
}

/// <summary>A message of the agent to its user.</summary>
public sealed record MessageEvent : AgentEvent
{
    /// <summary>Its text.</summary>
    [JsonIgnore]
    public string? Message => Text("text");
}

/// <summary>The agent uses a tool.</summary>
public sealed record ToolEvent : AgentEvent
{
    /// <summary>Name of the tool.</summary>
    [JsonIgnore]
    public string? Name => Text("name");
}

/// <summary>The agent's result, in <see cref="AgentEvent.Data"/>. A later result replaces it.</summary>
public sealed record ResultEvent : AgentEvent;

/// <summary>An event that a user added to the task's timeline.</summary>
public sealed record EmittedEvent : WatchEvent
{
    /// <summary>Its id.</summary>
    public required string EventId { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The data that was sent with it.</summary>
    public JsonElement? Data { get; init; }
}

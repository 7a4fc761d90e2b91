using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>What the agent said of its work.</summary>
public abstract record AgentEvent : WatchEvent
{
    /// <summary>The attempt whose agent it was.</summary>
    public int Attempt { get; init; }

    /// <summary>All that it said.</summary>
    public required JsonElement Data { get; init; }

    private protected string? Text(string name) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>How far it is.</summary>
public sealed record ProgressEvent : AgentEvent
{
    /// <summary>0 to 100.</summary>
    [JsonIgnore]
    public double? Percent =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty("percent", out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    /// <summary>What it is at.</summary>
    [JsonIgnore]
    public string? Step => Text("step");
}

/// <summary>What follows belongs together, up to the next group.</summary>
public sealed record GroupEvent : AgentEvent
{
    /// <summary>What it is called.</summary>
    [JsonIgnore]
    public string? Name => Text("name");
}

/// <summary>Something that a person should know.</summary>
public sealed record WarningEvent : AgentEvent
{
    /// <summary>What it is.</summary>
    [JsonIgnore]
    public string? Message => Text("message");
}

/// <summary>It has made a file.</summary>
public sealed record ArtifactEvent : AgentEvent
{
    /// <summary>What the file is called.</summary>
    [JsonIgnore]
    public string? Name => Text("name");
}

/// <summary>It has said something to its user.</summary>
public sealed record MessageEvent : AgentEvent
{
    /// <summary>What it said.</summary>
    [JsonIgnore]
    public string? Message => Text("text");
}

/// <summary>It uses a tool.</summary>
public sealed record ToolEvent : AgentEvent
{
    /// <summary>What the tool is called.</summary>
    [JsonIgnore]
    public string? Name => Text("name");
}

/// <summary>What has come out, in <see cref="AgentEvent.Data"/>; a later one takes its place.</summary>
public sealed record ResultEvent : AgentEvent;

/// <summary>Somebody has put an event of their own into the task's timeline.</summary>
public sealed record EmittedEvent : WatchEvent
{
    /// <summary>Its own id.</summary>
    public required string EventId { get; init; }

    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>Whatever was given with it.</summary>
    public JsonElement? Data { get; init; }
}

using System.Text.Json.Serialization;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>What the project-config API says of a project.</summary>
/// <param name="DbConn">Connection string of the project's database.</param>
/// <param name="Paths">The project's folders by name.</param>
/// <param name="Env">Environment variables for its agents.</param>
/// <param name="Secrets">Names of those whose values are secret.</param>
internal sealed record ProjectConfig(
    string? DbConn, IReadOnlyDictionary<string, string>? Paths, IReadOnlyDictionary<string, string>? Env, IReadOnlyList<string>? Secrets = null)
{
    /// <summary>SHA-256 of the answer as it came.</summary>
    public string Hash { get; init; } = "";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ProjectConfig))]
internal sealed partial class ProjectConfigJson : JsonSerializerContext;

using System.Text.Json.Serialization;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>A project's config from the project-config API.</summary>
/// <param name="DbConn">Connection string of the project's database.</param>
/// <param name="Paths">The project's folders by name.</param>
/// <param name="Env">Environment variables for its agents.</param>
/// <param name="Secrets">Names of the variables whose values are secret.</param>
internal sealed record ProjectConfig(
    string? DbConn, IReadOnlyDictionary<string, string>? Paths, IReadOnlyDictionary<string, string>? Env, IReadOnlyList<string>? Secrets = null)
{
    /// <summary>SHA-256 of the raw answer.</summary>
    public string Hash { get; init; } = "";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ProjectConfig))]
internal sealed partial class ProjectConfigJson : JsonSerializerContext;

namespace TaskPipeline.ProjectConfig;

/// <summary>What an agent needs to know about its project.</summary>
/// <param name="DbConn">Connection string of the project's database.</param>
/// <param name="Paths">The project's folders by name.</param>
/// <param name="Env">Environment variables for its agents.</param>
public sealed record Project(string DbConn, IReadOnlyDictionary<string, string> Paths, IReadOnlyDictionary<string, string> Env);

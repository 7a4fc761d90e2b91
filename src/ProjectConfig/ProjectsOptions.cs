namespace TaskPipeline.ProjectConfig;

public sealed class ProjectsOptions
{
    public const string Section = "Projects";

    /// <summary>JSON file with the projects by name, read again when it changes. Without one there is the project <c>default</c>.</summary>
    public string? File { get; set; }

    /// <summary>Where the project <c>default</c> has its database.</summary>
    public string DataDirectory { get; set; } = ".data";

    /// <summary>What the project <c>default</c> has as its folder <c>data</c>.</summary>
    public string SamplesDirectory { get; set; } = "samples";
}

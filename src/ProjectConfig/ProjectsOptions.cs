namespace TaskPipeline.ProjectConfig;

public sealed class ProjectsOptions
{
    public const string Section = "Projects";

    /// <summary>JSON file with the projects by name. It is read again when it changes. Without it there is only the project <c>default</c>.</summary>
    public string? File { get; set; }

    /// <summary>Folder of the database of the project <c>default</c>.</summary>
    public string DataDirectory { get; set; } = ".data";

    /// <summary>The folder <c>data</c> of the project <c>default</c>.</summary>
    public string SamplesDirectory { get; set; } = "samples";
}

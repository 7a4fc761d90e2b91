using System.Runtime.InteropServices;

namespace TaskPipeline.Testing;

/// <summary>Where this repository and its built programs are: next to the test's own output, in the same configuration.</summary>
public static class BuildOutput
{
    // artifacts/bin/PROJECT/CONFIGURATION/
    private static readonly DirectoryInfo Own = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));

    public static string Repository { get; } = FindRepository();

    /// <summary>Where the runtime that runs the tests is installed.</summary>
    public static string DotnetRoot { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    public static string FolderOf(string project) => Path.Combine(Repository, "artifacts", "bin", project, Own.Name);

    public static string ProgramOf(string project)
    {
        var file = Path.Combine(FolderOf(project), OperatingSystem.IsWindows() ? project + ".exe" : project);
        return File.Exists(file) ? file : throw new FileNotFoundException($"{project} is not built ({file}): run dotnet build TaskPipeline.sln -c {Own.Name}");
    }

    private static string FindRepository()
    {
        var folder = Own;
        while (!File.Exists(Path.Combine(folder.FullName, "TaskPipeline.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException($"{Own.FullName} is not inside the repository");
        return folder.FullName;
    }
}

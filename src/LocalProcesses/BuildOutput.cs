using System.Runtime.InteropServices;

namespace TaskPipeline.LocalProcesses;

/// <summary>The repository in which this program was built, and the programs of the same configuration.</summary>
public static class BuildOutput
{
    // artifacts/bin/PROJECT/CONFIGURATION/
    private static readonly DirectoryInfo Own = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));

    public static string Repository { get; } = FindRepository();

    /// <summary>The folder of the .NET runtime. Programs search there first.</summary>
    public static string DotnetRoot { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    public static string FolderOf(string project) => Path.Combine(Repository, "artifacts", "bin", project, Own.Name);

    public static string ProgramOf(string project)
    {
        var file = Path.Combine(FolderOf(project), OperatingSystem.IsWindows() ? project + ".exe" : project);
        return File.Exists(file) ? file : throw new NotBuiltException($"{project} is not built ({file}): run dotnet build TaskPipeline.sln -c {Own.Name}");
    }

    private static string FindRepository()
    {
        var folder = Own;
        while (!File.Exists(Path.Combine(folder.FullName, "TaskPipeline.sln")))
            folder = folder.Parent ?? throw new NotBuiltException($"{Own.FullName} is not inside the repository");
        return folder.FullName;
    }
}

/// <summary>A program of this repository is not built; the message says which command builds it.</summary>
public sealed class NotBuiltException(string message) : Exception(message);

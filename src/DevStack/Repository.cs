using System.Runtime.InteropServices;

namespace TaskPipeline.DevStack;

/// <summary>The repository this program was built in, and the programs that were built with it.</summary>
internal static class Repository
{
    // artifacts/bin/PROJECT/CONFIGURATION/
    private static readonly DirectoryInfo Own = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));

    public static string Root { get; } = FindRoot();

    /// <summary>Where the runtime is; the programs look there first, however it was installed.</summary>
    public static string DotnetRoot { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    public static string FolderOf(string project) => Path.Combine(Root, "artifacts", "bin", project, Own.Name);

    public static string ProgramOf(string project)
    {
        var file = Path.Combine(FolderOf(project), OperatingSystem.IsWindows() ? project + ".exe" : project);
        return File.Exists(file) ? file : throw new StackException($"{project} is not built: run ./build up, or dotnet build TaskPipeline.sln -c Release");
    }

    private static string FindRoot()
    {
        var folder = Own;
        while (!File.Exists(Path.Combine(folder.FullName, "TaskPipeline.sln")))
            folder = folder.Parent ?? throw new StackException($"{Own.FullName} is not inside the repository");
        return folder.FullName;
    }
}

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Finds programs as a shell does, first in the worker's own search path, then in <c>PATH</c>.</summary>
internal sealed class Executables(string searchPath)
{
    public string Path { get; } = string.Join(System.IO.Path.PathSeparator,
        ((string?[])[searchPath, Environment.GetEnvironmentVariable("PATH")]).Where(part => !string.IsNullOrEmpty(part)));

    public string? Find(string name)
    {
        if (System.IO.Path.IsPathRooted(name))
            return File.Exists(name) ? name : null;
        return Path.Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, name)))
            .FirstOrDefault(IsExecutable);
    }

    private static bool IsExecutable(string file) =>
        File.Exists(file) && (OperatingSystem.IsWindows()
            || (File.GetUnixFileMode(file) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0);
}

using Microsoft.Extensions.Options;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>The folders of one attempt: its working directory with <c>HOME</c> and <c>TMPDIR</c>, gone when it has ended, and its artifacts, which stay.</summary>
internal sealed class Workspace : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public Workspace(string dataDirectory, string taskId, int attempt, string artifacts)
    {
        Folder = Path.GetFullPath(Path.Combine(dataDirectory, "attempts", $"{taskId}-{attempt}-{Guid.NewGuid():N}"));
        Home = Path.Combine(Folder, "home");
        Temporary = Path.Combine(Folder, "tmp");
        Artifacts = artifacts;
        Make(Folder);
    }

    /// <summary>A worker that could make no workspaces learns it at its start, not at its first task.</summary>
    /// <exception cref="OptionsValidationException">Says why.</exception>
    public static void CheckWritable(WorkerOptions options)
    {
        try
        {
            Directory.CreateDirectory(Path.Combine(options.DataDirectory, "attempts", $"check-{Guid.NewGuid():N}")).Delete();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new OptionsValidationException(WorkerOptions.Section, typeof(WorkerOptions), [$"Worker:DataDirectory cannot be written to: {exception.Message}"]);
        }
    }

    public string Folder { get; }
    public string Home { get; }
    public string Temporary { get; }
    public string Artifacts { get; }

    /// <summary>Makes what is in it: only the agent needs that.</summary>
    public void Furnish()
    {
        Make(Home);
        Make(Temporary);
        Make(Artifacts);
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(Folder, recursive: true);
            if (Directory.Exists(Artifacts) && !Directory.EnumerateFileSystemEntries(Artifacts).Any())
                Directory.Delete(Artifacts);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // An agent can leave files that its owner may not delete; a full disk shows elsewhere. The task has its end all the same.
        }
    }

    private static void Make(string folder)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerOnly);
    }
}

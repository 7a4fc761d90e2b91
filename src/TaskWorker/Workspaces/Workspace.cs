using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Workspaces;

/// <summary>
/// The folders of one attempt: its working directory with <c>HOME</c> and <c>TMPDIR</c>, gone when it has ended, and its artifacts, which stay.
/// </summary>
internal sealed partial class Workspace : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // The path of a Unix socket has at most 107 bytes, and programs put theirs into TMPDIR: so ours are short, and the log says which attempt has which.
    private const int LongestSocketPath = 107;
    private const int RoomForSockets = 48;   // Chromium's, one of the longest: /org.chromium.Chromium.XXXXXX/SingletonSocket
    private const int NameLength = 10;

    private readonly ArtifactStore _store;
    private readonly string _taskId;
    private readonly int _attempt;
    private readonly Action<IReadOnlyList<string>> _left;

    /// <param name="left">Told what could not be deleted when the attempt had ended.</param>
    public Workspace(string dataDirectory, ArtifactStore store, string taskId, int attempt, Action<IReadOnlyList<string>> left)
    {
        (_store, _taskId, _attempt, _left) = (store, taskId, attempt, left);
        Folder = NewFolder(dataDirectory);
        Home = Path.Combine(Folder, "home");
        Temporary = Path.Combine(Folder, "tmp");
        Artifacts = store.FolderOf(taskId, attempt);
        Make(Folder);
    }

    /// <summary>A worker that could make no workspaces learns it at its start, not at its first task.</summary>
    /// <exception cref="OptionsValidationException">Says why.</exception>
    public static void Check(WorkerOptions options, ILogger logger)
    {
        var folder = NewFolder(options.DataDirectory);
        if (Encoding.UTF8.GetByteCount(Path.Combine(folder, "home")) is var length && LongestSocketPath - length is var left and < RoomForSockets)
        {
            var most = Encoding.UTF8.GetByteCount(Path.GetFullPath(options.DataDirectory)) - RoomForSockets + left;
            LogTooLong(logger, options.DataDirectory, length, Math.Max(0, left), Math.Max(0, most));
        }
        try
        {
            Directory.CreateDirectory(folder).Delete();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new OptionsValidationException(
                WorkerOptions.Section, typeof(WorkerOptions),
                [$"Worker:DataDirectory cannot be written to: {exception.Message}"]);
        }
    }

    public string Folder { get; }
    public string Home { get; }
    public string Temporary { get; }
    public string Artifacts { get; }

    /// <summary>Makes what is in it: only the agent needs that.</summary>
    public void CreateFolders()
    {
        Make(Home);
        Make(Temporary);
        Make(Artifacts);
    }

    /// <summary>Says what the attempt, which is over, has left behind; what cannot be kept is deleted.</summary>
    public ClosedArtifacts CloseArtifacts()
    {
        var closed = _store.Close(_taskId, _attempt);
        _left(closed.NotDeleted);
        return closed;
    }

    public void Dispose()
    {
        // An agent can leave files that not even their owner may delete. The task has its end all the same.
        _left(RawFiles.Delete(Folder));
        try
        {
            if (Directory.Exists(Artifacts) && !Directory.EnumerateFileSystemEntries(Artifacts).Any())
                Directory.Delete(Artifacts);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Another user's, or just taken by somebody: it goes when it is old.
        }
    }

    private static string NewFolder(string dataDirectory) => Path.GetFullPath(Path.Combine(dataDirectory, "run", Guid.NewGuid().ToString("N")[..NameLength]));

    private static void Make(string folder)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerOnly);
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Worker:DataDirectory ({Folder}) is long: an agent's TMPDIR and HOME have {Length} bytes, which leaves {Left} of the 107 that the path of a "
            + "Unix socket may have. Programs that put one there (Chromium, gpg, tmux) can fail: choose a folder whose path has at most {Most} bytes")]
    private static partial void LogTooLong(ILogger logger, string folder, int length, int left, int most);
}

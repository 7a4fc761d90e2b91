using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Workspaces;

/// <summary>
/// The folders of one attempt: its working directory with <c>HOME</c> and <c>TMPDIR</c>, which is deleted when it has ended, and its artifacts, which stay.
/// </summary>
internal sealed partial class Workspace : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // A Unix socket's path has at most 107 bytes, and programs put sockets into TMPDIR. So folder names are short; the log says which attempt has
    // which.
    private const int LongestSocketPath = 107;
    private const int RoomForSockets = 48;   // Chromium's, one of the longest: /org.chromium.Chromium.XXXXXX/SingletonSocket
    private const int NameLength = 10;

    private readonly ArtifactStore _store;
    private readonly string _taskId;
    private readonly int _attempt;
    private readonly Action<IReadOnlyList<string>> _left;

    /// <param name="left">Called with what could not be deleted when the attempt had ended.</param>
    public Workspace(string dataDirectory, ArtifactStore store, string taskId, int attempt, Action<IReadOnlyList<string>> left)
    {
        (_store, _taskId, _attempt, _left) = (store, taskId, attempt, left);
        Folder = NewFolder(dataDirectory);
        Home = Path.Combine(Folder, "home");
        Temporary = Path.Combine(Folder, "tmp");
        Artifacts = store.FolderOf(taskId, attempt);
        Make(Folder);
    }

    /// <summary>Checks at the worker's start, not at its first task, that it can create workspaces.</summary>
    /// <exception cref="OptionsValidationException">It cannot; the message says why.</exception>
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

    /// <summary>Creates the folders that only the agent needs.</summary>
    public void CreateFolders()
    {
        Make(Home);
        Make(Temporary);
        Make(Artifacts);
    }

    /// <summary>Lists the ended attempt's artifacts; deletes files that cannot be kept.</summary>
    public ClosedArtifacts CloseArtifacts()
    {
        var closed = _store.Close(_taskId, _attempt);
        _left(closed.NotDeleted);
        return closed;
    }

    public void Dispose()
    {
        // An agent can leave files that even their owner cannot delete. The task ends anyway.
        _left(RawFiles.Delete(Folder));
        try
        {
            if (Directory.Exists(Artifacts) && !Directory.EnumerateFileSystemEntries(Artifacts).Any())
                Directory.Delete(Artifacts);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is another user's, or was just used again: it is removed when it is old.
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

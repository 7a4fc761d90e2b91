using System.Text;
using System.Text.Unicode;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Artifacts;

/// <summary>The files that agents leave, by task and attempt, in a folder that workers write and the API reads.</summary>
public sealed class ArtifactStore(IOptions<ArtifactOptions> options, TimeProvider clock)
{
    private const int MostFiles = 100;   // per attempt, because one Kafka record lists them
    private const int LongestName = 500;

    private readonly string _root = Path.GetFullPath(options.Value.Directory);

    public string FolderOf(string taskId, int attempt) => Path.Combine(_root, taskId, attempt.ToString());

    /// <summary>
    /// Lists the artifacts of an ended attempt, in the order of their names. Only regular files are kept, no links, and only up to the limits; other
    /// files are deleted and counted. A file that cannot be read, or whose name is not UTF-8, does not affect the others.
    /// </summary>
    public ClosedArtifacts Close(string taskId, int attempt)
    {
        var closed = new ClosedArtifacts();
        var folder = FolderOf(taskId, attempt);
        if (LinkAt(folder) is { } link)
        {
            closed.LeaveOut(Path.GetRelativePath(_root, link), "is a link, which is not followed", RawFiles.Delete(link));
            return closed;
        }
        if (!Directory.Exists(folder))
            return closed;
        var found = new List<Entry>();
        Find(folder, "", found);
        var bytes = 0L;
        foreach (var entry in found.OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if ((entry.Fault ?? FaultOf(entry, closed, bytes)) is { } fault)
                closed.LeaveOut(entry.Name, fault, RawFiles.Delete(entry.Path));
            else
                bytes += closed.Kept[^1].Size;
        }
        return closed;
    }

    /// <summary>Null: this folder does not have it, or no longer has it.</summary>
    /// <param name="name">As listed by <see cref="Close"/>.</param>
    public FileInfo? Find(string taskId, int attempt, string name) =>
        new FileInfo(Path.Combine(FolderOf(taskId, attempt), name)) is { Exists: true } file && LinkAt(file.FullName) is null ? file : null;

    /// <summary>Deletes expired artifacts; returns what could not be deleted, with the reasons.</summary>
    public IReadOnlyList<string> RemoveOld()
    {
        var left = new List<string>();
        if (!Directory.Exists(_root))
            return left;
        foreach (var task in new DirectoryInfo(_root).EnumerateDirectories())
        {
            if (task.LinkTarget is not null)
            {
                left.AddRange(RawFiles.Delete(task.FullName));   // the link
                continue;
            }
            foreach (var attempt in task.EnumerateDirectories().Where(attempt => clock.GetUtcNow() - attempt.LastWriteTimeUtc > options.Value.Keep))
                left.AddRange(RawFiles.Delete(attempt.FullName));
            if (!task.EnumerateFileSystemInfos().Any())
                task.Delete();
        }
        return left;
    }

    /// <summary>
    /// The first link on the way from the root to a path. Agents can replace their folders by links, and what those lead to is neither listed, nor given
    /// out, nor deleted.
    /// </summary>
    private string? LinkAt(string path)
    {
        var way = Path.GetRelativePath(_root, path).Split(Path.DirectorySeparatorChar);
        return Enumerable.Range(1, way.Length).Select(length => Path.Combine([_root, .. way[..length]]))
            .FirstOrDefault(part => new FileInfo(part).LinkTarget is not null);
    }

    /// <summary>Collects everything below a folder, except folders themselves. Links are not followed.</summary>
    /// <param name="below">Path below the root, with a slash at its end, or empty.</param>
    private static void Find(string root, string below, List<Entry> found)
    {
        var folder = Path.Combine(root, below);
        IReadOnlyList<byte[]> names;
        try
        {
            names = RawFiles.NamesIn(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            found.Add(new Entry(below, Encoding.UTF8.GetBytes(folder), $"cannot be read: {exception.Message}"));
            return;
        }
        foreach (var name in names)
        {
            byte[] path = [.. Encoding.UTF8.GetBytes(Path.TrimEndingDirectorySeparator(folder)), (byte)'/', .. name];
            if (!Utf8.IsValid(name))
                found.Add(new Entry(below + RawFiles.Shown(name), path, "its name is not UTF-8"));
            else if (Encoding.UTF8.GetString(name) is var text && new DirectoryInfo(Path.Combine(folder, text)) is { Exists: true, LinkTarget: null })
                Find(root, $"{below}{text}/", found);
            else
                found.Add(new Entry(below + text, path, null));
        }
    }

    /// <summary>Null: the file is kept.</summary>
    private string? FaultOf(Entry entry, ClosedArtifacts closed, long bytes)
    {
        try
        {
            if (new FileInfo(Encoding.UTF8.GetString(entry.Path)) is not { Exists: true, LinkTarget: null } file)
                return "is not a file";
            if (closed.Kept.Count == MostFiles)
                return $"more than {MostFiles} files";
            if (entry.Name.Length > LongestName)
                return $"its name is longer than {LongestName} characters";
            if (bytes + file.Length > options.Value.MaxBytes)
                return "does not fit into Artifacts:MaxBytes";
            var size = file.Length;
            if (size == 0)
            {
                file.Delete();   // it can be a pipe, which would block a reader: replace it by a file
                File.Create(file.FullName).Dispose();
            }
            closed.Kept.Add(new Artifact(entry.Name, size));
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"cannot be kept: {exception.Message}";
        }
    }

    private sealed record Entry(string Name, byte[] Path, string? Fault);
}

/// <summary>The kept and the deleted files of an attempt.</summary>
public sealed class ClosedArtifacts
{
    private const int MostReasons = 10;
    private const int LongestShown = 200;

    private readonly List<string> _reasons = [];

    public List<Artifact> Kept { get; } = [];

    /// <summary>How many were not kept.</summary>
    public int LeftOut { get; private set; }

    /// <summary>Names and reasons of some of them.</summary>
    public IReadOnlyList<string> Reasons => _reasons;

    /// <summary>Those that could not be deleted.</summary>
    public List<string> NotDeleted { get; } = [];

    internal void LeaveOut(string name, string reason, IReadOnlyList<string> notDeleted)
    {
        LeftOut++;
        if (_reasons.Count < MostReasons)
            _reasons.Add($"{Beginning.Shown(name, LongestShown)} {reason}");
        if (NotDeleted.Count < MostReasons)
            NotDeleted.AddRange(notDeleted);
    }
}

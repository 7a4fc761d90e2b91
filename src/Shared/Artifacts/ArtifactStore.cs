using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Artifacts;

/// <summary>The files that agents leave behind, by task and attempt, in a folder that workers write and the API reads.</summary>
public sealed class ArtifactStore(IOptions<ArtifactOptions> options, TimeProvider clock)
{
    private const int MostFiles = 100;   // of an attempt; they are listed in a record of Kafka
    private const int LongestName = 500;

    private readonly string _root = Path.GetFullPath(options.Value.Directory);

    public string FolderOf(string taskId, int attempt) => Path.Combine(_root, taskId, attempt.ToString());

    /// <summary>
    /// Says what an attempt that is over has left behind, in the order of the names. Only files are kept, no links, and only so much; what does not fit is
    /// deleted and counted.
    /// </summary>
    public (IReadOnlyList<Artifact> Kept, int LeftOut) Close(string taskId, int attempt)
    {
        var folder = new DirectoryInfo(FolderOf(taskId, attempt));
        var (kept, leftOut, bytes) = (new List<Artifact>(), 0, 0L);
        if (!folder.Exists)
            return (kept, leftOut);
        foreach (var entry in Below(folder).OrderBy(entry => entry.FullName, StringComparer.Ordinal).ToList())
        {
            var name = Path.GetRelativePath(folder.FullName, entry.FullName);
            if (entry is FileInfo { LinkTarget: null, Exists: true } file && kept.Count < MostFiles && name.Length <= LongestName && bytes + file.Length <= options.Value.MaxBytes)
            {
                kept.Add(new Artifact(name, file.Length));
                bytes += file.Length;
                if (file.Length == 0)
                {
                    file.Delete();   // whatever it was: who opens a pipe may wait for ever
                    File.Create(file.FullName).Dispose();
                }
                continue;
            }
            leftOut++;
            entry.Delete();
        }
        return (kept, leftOut);
    }

    /// <summary>Null: this folder has it no more, or never had.</summary>
    /// <param name="name">As <see cref="Close"/> has listed it.</param>
    public FileInfo? Find(string taskId, int attempt, string name) => new FileInfo(Path.Combine(FolderOf(taskId, attempt), name)) is { Exists: true, LinkTarget: null } file ? file : null;

    /// <summary>Deletes what is older than it is kept.</summary>
    public void RemoveOld()
    {
        if (!Directory.Exists(_root))
            return;
        foreach (var task in new DirectoryInfo(_root).EnumerateDirectories())
        {
            foreach (var attempt in task.EnumerateDirectories().Where(attempt => clock.GetUtcNow() - attempt.LastWriteTimeUtc > options.Value.Keep))
                attempt.Delete(recursive: true);
            if (!task.EnumerateFileSystemInfos().Any())
                task.Delete();
        }
    }

    /// <summary>Everything but the folders themselves. What a link leads to is not below.</summary>
    private static IEnumerable<FileSystemInfo> Below(DirectoryInfo folder) =>
        folder.EnumerateFileSystemInfos().SelectMany(entry => entry is DirectoryInfo { LinkTarget: null } inner ? Below(inner) : [entry]);
}

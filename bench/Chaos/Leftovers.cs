using System.Text;

namespace TaskPipeline.Bench.Chaos;

/// <summary>Finds the processes of a run anywhere in the process tree: their environment contains its folder.</summary>
internal sealed class Leftovers(string folder)
{
    private readonly byte[] _mark = Encoding.UTF8.GetBytes($"{ChaosAgents.FolderVariable}={folder}\0");

    /// <summary>The agents among them: they also have the marker of their worker.</summary>
    public Task<IReadOnlyList<string>> AgentsAsync(TimeSpan maxWait, CancellationToken stop) => AfterAsync(maxWait, "TASKPIPELINE_RUN="u8.ToArray(), stop);

    public Task<IReadOnlyList<string>> AllAsync(TimeSpan maxWait, CancellationToken stop) => AfterAsync(maxWait, [], stop);

    private async Task<IReadOnlyList<string>> AfterAsync(TimeSpan maxWait, byte[] marker, CancellationToken stop)
    {
        for (var waited = TimeSpan.Zero; ; waited += TimeSpan.FromMilliseconds(250))
        {
            List<string> left = [.. Find(marker)];
            if (left.Count == 0 || waited >= maxWait)
                return left;
            await Task.Delay(TimeSpan.FromMilliseconds(250), stop);
        }
    }

    private IEnumerable<string> Find(byte[] marker)
    {
        foreach (var process in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(process), out _) && Read(process, "environ") is { } environment && environment.AsSpan().IndexOf(_mark) >= 0 && environment.AsSpan().IndexOf(marker) >= 0)
                yield return $"{Path.GetFileName(process)}: {Encoding.UTF8.GetString(Read(process, "cmdline") ?? []).Replace('\0', ' ')}";
    }

    /// <summary>Null if it has ended meanwhile, or belongs to another user and so is not ours. A zombie has no environment.</summary>
    private static byte[]? Read(string process, string file)
    {
        try
        {
            return File.ReadAllBytes($"{process}/{file}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

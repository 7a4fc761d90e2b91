using System.Text;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// An environment variable that every process of a run inherits, so that leftovers are found wherever they have moved to in the process tree.
/// It names the worker by pid and start time: a pid alone may have been given to somebody else since.
/// </summary>
internal static class RunMarker
{
    public const string Variable = "TASKPIPELINE_RUN";

    private static readonly byte[] Prefix = Encoding.UTF8.GetBytes(Variable + "=");

    /// <summary>This worker's part of the marker.</summary>
    public static string Owner { get; } = $"{Environment.ProcessId}.{StartTimeOf(Environment.ProcessId)}";

    public static string Of(string taskId, int attempt) => $"{Owner}/{taskId}/{attempt}";

    /// <summary>Ends every process that bears the marker, and looks again until two passes find none. Answers how many were ended.</summary>
    public static int Sweep(string marker)
    {
        var ended = new HashSet<int>();
        for (var clean = 0; clean < 2;)
        {
            var found = Marked(value => value == marker);
            foreach (var pid in found)
                if (Posix.SignalProcess(pid, Posix.Kill))
                    ended.Add(pid);
            clean = found.Count == 0 ? clean + 1 : 0;
        }
        return ended.Count;
    }

    /// <summary>Ends what workers have left behind that do not live any more.</summary>
    public static int SweepOrphans()
    {
        var orphans = Marked(value => value.Split('/')[0].Split('.') is not [var pid, var started] || !int.TryParse(pid, out var id) || StartTimeOf(id) != started);
        return orphans.Count(pid => Posix.SignalProcess(pid, Posix.Kill));
    }

    private static List<int> Marked(Predicate<string> isMeant)
    {
        var found = new List<int>();
        if (!OperatingSystem.IsLinux())
            return found;
        var buffer = new byte[16 * 1024];
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(folder.AsSpan("/proc/".Length), out var pid) && MarkerIn(folder, ref buffer) is { } value && isMeant(value) && !IsZombie(folder))
                found.Add(pid);
        return found;
    }

    /// <summary>Null: it bears none, has ended meanwhile, or is another user's and so not ours.</summary>
    private static string? MarkerIn(string folder, ref byte[] buffer)
    {
        var length = Posix.ReadFile(folder + "/environ", ref buffer);
        for (ReadOnlySpan<byte> environment = buffer.AsSpan(0, Math.Max(0, length)); !environment.IsEmpty;)
        {
            var end = environment.IndexOf((byte)0);
            var entry = end < 0 ? environment : environment[..end];
            if (entry.StartsWith(Prefix))
                return Encoding.UTF8.GetString(entry[Prefix.Length..]);
            environment = end < 0 ? [] : environment[(end + 1)..];
        }
        return null;
    }

    private static bool IsZombie(string folder) => Stat(folder) is not [var state, ..] || state is "Z" or "X";

    private static string? StartTimeOf(int pid) => OperatingSystem.IsLinux() ? Stat($"/proc/{pid}") is { Length: > 19 } fields ? fields[19] : null : "0";

    /// <summary>The fields of <c>/proc/PID/stat</c> from the state on; the name before it may hold spaces and parentheses.</summary>
    private static string[]? Stat(string folder)
    {
        try
        {
            var stat = File.ReadAllText(folder + "/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

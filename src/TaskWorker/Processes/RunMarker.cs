using System.Diagnostics;
using System.Text;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// An environment variable that every process of a run inherits, so that leftovers are found wherever they have moved to in the process tree.
/// It names the worker by pid and start time: a pid alone may have been given to somebody else since. Last comes the namespace that both belong to.
/// </summary>
internal static class RunMarker
{
    public const string Variable = "TASKPIPELINE_RUN";

    private static readonly TimeSpan SweepLimit = TimeSpan.FromSeconds(10);   // a process that hangs in the kernel dies when that lets it
    private static readonly byte[] Prefix = Encoding.UTF8.GetBytes(Variable + "=");

    /// <summary>This worker's part of the marker, before its namespace.</summary>
    public static string Owner { get; } = $"{Environment.ProcessId}.{ProcessIdentity.StartOf(Environment.ProcessId)}";

    /// <summary>What the marker of every process looks like that this worker's agents have started, as a regular expression.</summary>
    public static string OwnPattern { get; } = $"^{Variable}={Owner}/.*/{ProcessIdentity.Namespace}$";

    public static string Of(string taskId, int attempt) => $"{Owner}/{taskId}/{attempt}/{ProcessIdentity.Namespace}";

    public static IReadOnlyList<int> ProcessesOf(string marker) => Marked(value => value == marker);

    /// <summary>Ends every process that bears the marker, and looks again until so many passes find none. Answers which were ended.</summary>
    public static HashSet<int> Sweep(string marker, int cleanPasses) =>
        UntilNoneIsLeft(value => value == marker, Posix.Kill, isLeft: static (_, _) => true, cleanPasses);

    /// <summary>Ends what workers have left behind that do not live any more.</summary>
    public static int SweepOrphans() =>
        UntilNoneIsLeft(
            value => value.Split('/') is [var owner, _, _, var space] && ProcessIdentity.IsDead($"{owner}.{space}"),
                Posix.Kill, isLeft: static (_, _) => true).Count;

    /// <summary>
    /// One that sleeps in the kernel stands still as soon as it was told to: it stops before it is back in its program. So waits a shell, for one, whose child
    /// was stopped between fork and exec.
    /// </summary>
    public static void StopAll(string marker) =>
        UntilNoneIsLeft(value => value == marker, Posix.Stop, isLeft: static (state, wasTold) => state is not ("T" or "t") && !(state == "D" && wasTold));

    /// <summary>
    /// Whoever sleeps in the kernel has its stop still before it, and would stop after a look that finds nobody stopped: all are told, which takes that back.
    /// </summary>
    public static void ContinueAll(string marker)
    {
        foreach (var pid in ProcessesOf(marker))
            Posix.SignalProcess(pid, Posix.Continue, () => MarkerIn(pid) == marker);
        UntilNoneIsLeft(value => value == marker, Posix.Continue, isLeft: static (state, _) => state is "T" or "t");
    }

    private static HashSet<int> UntilNoneIsLeft(Predicate<string> isMeant, int signal, Func<string, bool, bool> isLeft, int cleanPasses = 2)
    {
        var reached = new HashSet<int>();
        var began = Stopwatch.GetTimestamp();   // how long the kernel takes is the system's time, also where a test has a clock of its own
        for (var clean = 0; clean < cleanPasses && Stopwatch.GetElapsedTime(began) < SweepLimit;)
        {
            var found = Marked(isMeant, (state, pid) => isLeft(state, reached.Contains(pid)));
            foreach (var pid in found)
                if (Posix.SignalProcess(pid, signal, () => MarkerIn(pid) is { } value && isMeant(value)))
                    reached.Add(pid);
            clean = found.Count == 0 ? clean + 1 : 0;
        }
        return reached;
    }

    private static List<int> Marked(Predicate<string> isMeant, Func<string, int, bool>? isLeft = null)
    {
        var found = new List<int>();
        if (!OperatingSystem.IsLinux())
            return found;
        var buffer = new byte[16 * 1024];
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(folder.AsSpan("/proc/".Length), out var pid) && MarkerIn(folder, ref buffer) is { } value && isMeant(value)
                && ProcessIdentity.StatOf(pid) is [var state, ..] && state is not ("Z" or "X") && isLeft?.Invoke(state, pid) != false)
                found.Add(pid);
        return found;
    }

    /// <summary>Whether that process bears the marker.</summary>
    public static bool IsOf(int pid, string marker) => MarkerIn(pid) == marker;

    private static string? MarkerIn(int pid)
    {
        var buffer = new byte[16 * 1024];
        return MarkerIn($"/proc/{pid}", ref buffer);
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
}

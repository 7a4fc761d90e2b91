using System.Diagnostics;
using System.Text;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// An environment variable that every process of a run inherits, so that leftovers are found wherever they are in the process tree. It names the
/// worker by pid and start time, because a pid alone can be reused, and ends with their PID namespace.
/// </summary>
internal static class RunMarker
{
    public const string Variable = "TASKPIPELINE_RUN";

    private static readonly TimeSpan SweepLimit = TimeSpan.FromSeconds(10);   // a process in an uninterruptible sleep dies when the kernel returns
    private static readonly byte[] Prefix = Encoding.UTF8.GetBytes(Variable + "=");

    /// <summary>This worker's part of the marker, without the namespace.</summary>
    public static string Owner { get; } = $"{Environment.ProcessId}.{ProcessIdentity.StartOf(Environment.ProcessId)}";

    /// <summary>A regular expression for the marker of every process of this worker's agents.</summary>
    public static string OwnPattern { get; } = $"^{Variable}={Owner}/.*/{ProcessIdentity.Namespace}$";

    public static string Of(string taskId, int attempt) => $"{Owner}/{taskId}/{attempt}/{ProcessIdentity.Namespace}";

    public static IReadOnlyList<int> ProcessesOf(string marker) => Marked(value => value == marker);

    /// <summary>Kills every process with the marker, until <paramref name="cleanPasses"/> passes find none. Returns the killed pids.</summary>
    public static HashSet<int> Sweep(string marker, int cleanPasses) =>
        UntilNoneIsLeft(value => value == marker, Posix.Kill, isLeft: static (_, _) => true, cleanPasses);

    /// <summary>Kills processes of workers that are dead.</summary>
    public static int SweepOrphans() =>
        UntilNoneIsLeft(
            value => value.Split('/') is [var owner, _, _, var space] && ProcessIdentity.IsDead($"{owner}.{space}"),
                Posix.Kill, isLeft: static (_, _) => true).Count;

    /// <summary>
    /// Stops all processes. A signalled process in state D counts as stopped: it stops before it returns to its program. For example a shell waits in
    /// that state for a child that was stopped between fork and exec.
    /// </summary>
    public static void StopAll(string marker) =>
        UntilNoneIsLeft(
            value => value == marker, Posix.Stop, isLeft: static (state, wasSignalled) => state is not ("T" or "t") && !(state == "D" && wasSignalled));

    /// <summary>
    /// A process in state D may still have a pending stop, and would stop after a pass that finds none stopped. So all are signalled first, which
    /// cancels a pending stop.
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
        var began = Stopwatch.GetTimestamp();   // real time, even if a test has its own clock
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

    /// <summary>Whether a process has the marker.</summary>
    public static bool IsOf(int pid, string marker) => MarkerIn(pid) == marker;

    private static string? MarkerIn(int pid)
    {
        var buffer = new byte[16 * 1024];
        return MarkerIn($"/proc/{pid}", ref buffer);
    }

    /// <summary>Null: it has none, has ended, or belongs to another user.</summary>
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

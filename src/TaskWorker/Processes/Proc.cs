using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>What the kernel tells of a process. All answers are null or no where there is none of that pid, or no <c>/proc</c>.</summary>
internal static class Proc
{
    /// <summary>Programs that wait for what they have started, and keep a signal to themselves until then.</summary>
    private static readonly HashSet<string> Shells = ["sh", "dash", "bash", "ash", "busybox", "zsh", "ksh", "mksh", "fish", "tcsh", "csh"];

    /// <summary>Below another namespace's <c>/proc</c> every pid that is read would be somebody else's, and so would be what is ended.</summary>
    /// <exception cref="OptionsValidationException">Says so.</exception>
    public static void CheckOwn()
    {
        if (OperatingSystem.IsLinux() && new FileInfo("/proc/self").LinkTarget != Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
            throw new OptionsValidationException(
                WorkerOptions.Section, typeof(WorkerOptions),
                ["/proc is not there, or is another PID namespace's: mount one for this namespace (unshare --mount-proc)"]);
    }

    public static int? ParentOf(int pid) => ProcessIdentity.StatOf(pid) is { Length: > 1 } fields ? int.Parse(fields[1], CultureInfo.InvariantCulture) : null;

    /// <summary>Of its program, as the kernel shortens it. A process may call itself anything.</summary>
    public static string? NameOf(int pid)
    {
        var buffer = new byte[64];
        var length = Posix.ReadFile($"/proc/{pid}/comm", ref buffer);
        return length <= 0 ? null : string.Concat(Encoding.UTF8.GetString(buffer, 0, length).Where(character => !char.IsControl(character)));
    }

    /// <summary>Whether it does something of its own at a signal, and is no shell: then it most likely tells those that it has started, too.</summary>
    public static bool PassesOn(int pid, int signal)
    {
        var buffer = new byte[4096];
        var status = Encoding.UTF8.GetString(buffer, 0, Math.Max(0, Posix.ReadFile($"/proc/{pid}/status", ref buffer)));
        return (SignalsIn(status, "SigCgt") | SignalsIn(status, "SigBlk")) is var handled
            && (handled >> (signal - 1) & 1) == 1 && !Shells.Contains(NameOf(pid) ?? "");
    }

    /// <summary>Those that this process ignores.</summary>
    public static IEnumerable<int> IgnoredSignals()
    {
        var ignored = OperatingSystem.IsLinux() ? SignalsIn(File.ReadAllText("/proc/self/status"), "SigIgn") : 0;
        return Enumerable.Range(1, 64).Where(signal => (ignored >> (signal - 1) & 1) == 1);
    }

    private static ulong SignalsIn(string status, string field)
    {
        var at = status.IndexOf(field + ":\t", StringComparison.Ordinal);
        return at < 0 ? 0 : ulong.Parse(status.AsSpan(at + field.Length + 2, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}

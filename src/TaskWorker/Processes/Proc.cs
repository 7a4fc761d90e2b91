using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Kernel information about processes. The answer is null or false if there is no such pid, or no <c>/proc</c>.</summary>
internal static class Proc
{
    /// <summary>Shells, which wait for their children and do not pass a signal on.</summary>
    private static readonly HashSet<string> Shells = ["sh", "dash", "bash", "ash", "busybox", "zsh", "ksh", "mksh", "fish", "tcsh", "csh"];

    /// <summary>With the <c>/proc</c> of another PID namespace, the worker would look up and end the wrong processes.</summary>
    /// <exception cref="OptionsValidationException">This is such a <c>/proc</c>, or there is none.</exception>
    public static void CheckOwn()
    {
        if (OperatingSystem.IsLinux() && new FileInfo("/proc/self").LinkTarget != Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
            throw new OptionsValidationException(
                WorkerOptions.Section, typeof(WorkerOptions),
                ["/proc is missing, or belongs to another PID namespace: mount one for this namespace (unshare --mount-proc)"]);
    }

    public static int? ParentOf(int pid) => ProcessIdentity.StatOf(pid) is { Length: > 1 } fields ? int.Parse(fields[1], CultureInfo.InvariantCulture) : null;

    /// <summary>Name of its program, as shortened by the kernel. A process can give itself any name.</summary>
    public static string? NameOf(int pid)
    {
        var buffer = new byte[64];
        var length = Posix.ReadFile($"/proc/{pid}/comm", ref buffer);
        return length <= 0 ? null : string.Concat(Encoding.UTF8.GetString(buffer, 0, length).Where(character => !char.IsControl(character)));
    }

    /// <summary>Whether it handles or blocks a signal and is not a shell: then it most likely passes the signal on to its children.</summary>
    public static bool PassesOn(int pid, int signal)
    {
        var buffer = new byte[4096];
        var status = Encoding.UTF8.GetString(buffer, 0, Math.Max(0, Posix.ReadFile($"/proc/{pid}/status", ref buffer)));
        return (SignalsIn(status, "SigCgt") | SignalsIn(status, "SigBlk")) is var handled
            && (handled >> (signal - 1) & 1) == 1 && !Shells.Contains(NameOf(pid) ?? "");
    }

    /// <summary>The signals that this process ignores.</summary>
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

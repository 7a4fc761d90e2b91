using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace TaskPipeline.Shared.Hosting;

/// <summary>Identifies a process: a pid alone can be reused, so its start time is added, and their PID namespace.</summary>
public static class ProcessIdentity
{
    /// <summary>PID namespace of this process; empty if there are none.</summary>
    public static string Namespace { get; } =
        OperatingSystem.IsLinux() ? string.Concat(new FileInfo("/proc/self/ns/pid").LinkTarget?.Where(char.IsAsciiDigit) ?? []) : "";

    /// <summary>Identity of this process, for processes that share a folder or a control group with it, possibly in other namespaces.</summary>
    public static string Own { get; } = $"{Environment.ProcessId}.{StartOf(Environment.ProcessId)}.{Namespace}";

    /// <summary>
    /// Whether a process with an identity like <see cref="Own"/> is of this namespace and dead. For other namespaces the answer is always no.
    /// </summary>
    public static bool IsDead(string identity) =>
        identity.Split('.') is [var pid, var start, var space] && space == Namespace && int.TryParse(pid, out var id) && StartOf(id) != start;

    /// <summary>Start time of a process, in a system-specific unit; null: there is no such process.</summary>
    public static string? StartOf(int pid)
    {
        if (OperatingSystem.IsLinux())
            return StatOf(pid) is { Length: > 19 } fields ? fields[19] : null;
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.StartTime.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or Win32Exception)
        {
            return null;
        }
    }

    /// <summary>
    /// The fields of <c>/proc/PID/stat</c> from the state on; the name before it can contain spaces and parentheses. Null: there is no such process,
    /// or no <c>/proc</c>.
    /// </summary>
    public static string[]? StatOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

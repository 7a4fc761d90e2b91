using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace TaskPipeline.Shared.Hosting;

/// <summary>
/// Tells a process apart from every other one: a pid alone may have been given to somebody else since, so its start time goes with it, and the PID namespace
/// that both belong to.
/// </summary>
public static class ProcessIdentity
{
    /// <summary>That of this process; empty where there are none.</summary>
    public static string Namespace { get; } =
        OperatingSystem.IsLinux() ? string.Concat(new FileInfo("/proc/self/ns/pid").LinkTarget?.Where(char.IsAsciiDigit) ?? []) : "";

    /// <summary>Names this process to all that share a folder or a control group with it, which may be in other namespaces.</summary>
    public static string Own { get; } = $"{Environment.ProcessId}.{StartOf(Environment.ProcessId)}.{Namespace}";

    /// <summary>Whether a process, named as by <see cref="Own"/>, is one of this namespace and lives no more. Of others nobody here can say that.</summary>
    public static bool IsDead(string identity) =>
        identity.Split('.') is [var pid, var start, var space] && space == Namespace && int.TryParse(pid, out var id) && StartOf(id) != start;

    /// <summary>When a process was started, in a unit of its system's own; null: there is none.</summary>
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
    /// The fields of <c>/proc/PID/stat</c> from the state on; the name before it may hold spaces and parentheses. Null: there is no such process, or no
    /// <c>/proc</c>.
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

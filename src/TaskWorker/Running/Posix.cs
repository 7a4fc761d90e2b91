using System.Runtime.InteropServices;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>The few calls of the operating system that .NET has no name for.</summary>
internal static partial class Posix
{
    public const int Term = 15;
    public const int Kill = 9;

    /// <summary>Sends a signal to every process of the group that <paramref name="leader"/> leads; false: there is none.</summary>
    public static bool SignalGroup(int leader, int signal) => Signal(-leader, signal) == 0;

    public static bool SignalProcess(int pid, int signal) => Signal(pid, signal) == 0;

    /// <summary>The runtime reports an end by signal as 128 and the signal's number, as shells do.</summary>
    public static string? SignalOf(int exitCode) => (exitCode - 128) switch
    {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => null,
    };

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Signal(int pid, int signal);
}

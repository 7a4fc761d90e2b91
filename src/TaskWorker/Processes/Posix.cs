using System.Runtime.InteropServices;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>System calls that .NET does not expose.</summary>
internal static partial class Posix
{
    public const int Term = 15;
    public const int Kill = 9;
    public const int Stop = 19;
    public const int Continue = 18;

    private const int PidfdSendSignal = 424;   // these two are not in the C library of every distribution
    private const int PidfdOpen = 434;
    private const int SetDumpable = 4;

    /// <summary>Sends a signal to every process of the group that <paramref name="leader"/> leads; false: there is no such group.</summary>
    public static bool SignalGroup(int leader, int signal) => Signal(-leader, signal) == 0;

    public static bool SignalProcess(int pid, int signal) => Signal(pid, signal) == 0;

    /// <summary>
    /// Sends a signal to a process if <paramref name="isMeant"/> confirms it. The pidfd is opened before the check, so the signal cannot reach a new
    /// process with the same pid.
    /// </summary>
    public static bool SignalProcess(int pid, int signal, Func<bool> isMeant)
    {
        var held = (int)Syscall(PidfdOpen, pid, 0, 0, 0);
        if (held < 0)
            return isMeant() && SignalProcess(pid, signal);   // the process has ended, or the kernel is older than 5.3
        var isSent = isMeant() && Syscall(PidfdSendSignal, held, signal, 0, 0) == 0;
        _ = Close(held);
        return isSent;
    }

    /// <summary>Keeps other processes of the same user from reading this process's memory and environment.</summary>
    public static void HideFromOthers()
    {
        if (OperatingSystem.IsLinux())
            _ = ProcessControl(SetDumpable, 0, 0, 0, 0);
    }

    /// <summary>
    /// Keeps agents from inheriting ignored signals: SIGPIPE, which the runtime ignores, so that agents would fail loudly instead of ending; and
    /// SIGINT, if a shell started this process in the background. With a handler that does nothing, a signal still has no effect here, but its
    /// default effect in child processes.
    /// </summary>
    public static void KeepIgnoredSignalsToItself()
    {
        foreach (var signal in Proc.IgnoredSignals())
            _ = Handle(signal, NativeLibrary.GetExport(NativeLibrary.Load("libc", typeof(Posix).Assembly, DllImportSearchPath.SafeDirectories), "abs"));
    }

    /// <summary>
    /// Reads a file of <c>/proc</c> into a buffer that grows as needed. It costs a tenth of .NET's file API, which matters because hundreds are read
    /// after each task.
    /// </summary>
    /// <returns>Number of bytes read; -1: there is no such file, or it is not readable.</returns>
    public static int ReadFile(string path, ref byte[] buffer)
    {
        var file = Open(path, 0);
        if (file < 0)
            return -1;
        var length = 0;
        nint read;
        while ((read = Read(file, ref buffer[length], buffer.Length - length)) > 0)
            if ((length += (int)read) == buffer.Length)
                Array.Resize(ref buffer, buffer.Length * 2);
        _ = Close(file);
        return read < 0 ? -1 : length;
    }

    /// <summary>The runtime reports an end by signal as 128 plus the signal's number, as shells do.</summary>
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

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Read(int file, ref byte buffer, nint count);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Syscall(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ProcessControl(int option, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Signal(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "signal")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Handle(int signal, nint handler);
}

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>A terminal for an agent that behaves differently on a pipe. <see cref="Stream"/> reads both outputs of the agent, and writes its input.</summary>
internal sealed partial class PseudoTerminal : IDisposable
{
    private const int ReadWrite = 2;
    private const int NoControllingTerminal = 0x100;
    private const int CloseOnExec = 0x80000;
    private const nuint SetWindowSize = 0x5414;

    private readonly SafeFileHandle _master;

    private PseudoTerminal(int master, string name)
    {
        Name = name;
        _master = new SafeFileHandle(master, ownsHandle: true);
        Stream = new FileStream(_master, FileAccess.ReadWrite, bufferSize: 0);
    }

    /// <summary>The agent's side. A session leader without a terminal that opens it gets it as its controlling terminal.</summary>
    public string Name { get; }

    public Stream Stream { get; }

    /// <exception cref="System.ComponentModel.Win32Exception">No terminal is available.</exception>
    public static PseudoTerminal Open(TerminalSize of)
    {
        var master = OpenMaster(ReadWrite | NoControllingTerminal | CloseOnExec);
        var name = new byte[64];
        var size = new WindowSize { Rows = (ushort)of.Rows, Columns = (ushort)of.Columns };
        if (master < 0 || Grant(master) != 0 || Unlock(master) != 0
            || NameOf(master, name, (nuint)name.Length) != 0 || Control(master, SetWindowSize, ref size) != 0)
            throw new System.ComponentModel.Win32Exception(Marshal.GetLastPInvokeError(), $"no terminal: {Marshal.GetLastPInvokeErrorMessage()}");
        return new PseudoTerminal(master, System.Text.Encoding.UTF8.GetString(name.AsSpan(0, name.IndexOf((byte)0))));
    }

    public void Dispose()
    {
        Stream.Dispose();
        _master.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "posix_openpt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenMaster(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Grant(int master);

    [LibraryImport("libc", EntryPoint = "unlockpt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unlock(int master);

    [LibraryImport("libc", EntryPoint = "ptsname_r", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NameOf(int master, byte[] name, nuint length);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(int file, nuint request, ref WindowSize size);

    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort Width;
        public ushort Height;
    }
}

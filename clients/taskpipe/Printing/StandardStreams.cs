using Microsoft.Win32.SafeHandles;

namespace TaskPipeline.Taskpipe.Printing;

internal static class StandardStreams
{
    /// <summary>
    /// Opens stdout. The console's stream does not report a broken pipe, such as with <c>head</c>, so a command would read a long output to its end for
    /// nobody. For a file it uses the console's stream, which keeps a position that other processes can share.
    /// </summary>
    public static Stream OpenOutput()
    {
        if (OperatingSystem.IsWindows())
            return Console.OpenStandardOutput();
#pragma warning disable CA2000 // The process keeps its stdout until it ends.
        var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
#pragma warning restore CA2000
        return stream.CanSeek ? Console.OpenStandardOutput() : stream;
    }
}

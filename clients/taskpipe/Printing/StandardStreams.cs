using Microsoft.Win32.SafeHandles;

namespace TaskPipeline.Taskpipe.Printing;

internal static class StandardStreams
{
    /// <summary>
    /// The console's own stream keeps silent when the reader of a pipe has gone, as <c>head</c> does, and a long output would be read to its end for nobody.
    /// A file has no reader; there the console's stream keeps its place, which others may share.
    /// </summary>
    public static Stream OpenOutput()
    {
        if (OperatingSystem.IsWindows())
            return Console.OpenStandardOutput();
#pragma warning disable CA2000 // The process keeps its own stdout to its end.
        var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
#pragma warning restore CA2000
        return stream.CanSeek ? Console.OpenStandardOutput() : stream;
    }
}

using System.Runtime.InteropServices;

namespace TaskPipeline.Shared.Hosting;

/// <summary>
/// The heap of native code, with settings of mallopt(3). By default glibc takes blocks as large as any that was freed from arenas, of which threads
/// have their own, so that the buffers of librdkafka's dozen of threads leave holes there: some tens of MiB.
/// </summary>
public static class NativeHeap
{
    private const int MmapThreshold = -3;   // M_MMAP_THRESHOLD of malloc.h; once it is set, it stays
    private const int ArenaMax = -8;        // M_ARENA_MAX

    private delegate int Mallopt(int parameter, int value);

    /// <summary>Gives large blocks back to the system as soon as they are freed. Does nothing where there is no glibc.</summary>
    public static void KeepSmall()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libc.so.6", out var libc) || !NativeLibrary.TryGetExport(libc, "mallopt", out var address))
            return;
        var mallopt = Marshal.GetDelegateForFunctionPointer<Mallopt>(address);
        mallopt(MmapThreshold, 128 * 1024);
        mallopt(ArenaMax, 1);
    }
}

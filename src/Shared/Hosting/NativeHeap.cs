using System.Runtime.InteropServices;

namespace TaskPipeline.Shared.Hosting;

/// <summary>
/// Settings of the native heap, by mallopt(3). By default glibc raises its mmap threshold to the size of freed blocks and takes later blocks from
/// per-thread arenas. There the buffers of librdkafka's dozen threads leave holes of some tens of MiB.
/// </summary>
public static class NativeHeap
{
    private const int MmapThreshold = -3;   // M_MMAP_THRESHOLD of malloc.h; setting it keeps it fixed
    private const int ArenaMax = -8;        // M_ARENA_MAX

    private delegate int Mallopt(int parameter, int value);

    /// <summary>Returns large blocks to the system as soon as they are freed. Does nothing without glibc.</summary>
    public static void KeepSmall()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libc.so.6", out var libc) || !NativeLibrary.TryGetExport(libc, "mallopt", out var address))
            return;
        var mallopt = Marshal.GetDelegateForFunctionPointer<Mallopt>(address);
        mallopt(MmapThreshold, 128 * 1024);
        mallopt(ArenaMax, 1);
    }
}

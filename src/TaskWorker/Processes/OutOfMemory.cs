using System.Globalization;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>How many processes the kernel has killed for lack of memory since it booted; 0 if unknown.</summary>
internal static class OutOfMemory
{
    private const string Counter = "oom_kill ";

    public static long Kills
    {
        get
        {
            try
            {
                var line = File.ReadLines("/proc/vmstat").FirstOrDefault(line => line.StartsWith(Counter, StringComparison.Ordinal));
                return line is null ? 0 : long.Parse(line.AsSpan(Counter.Length), CultureInfo.InvariantCulture);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return 0;
            }
        }
    }
}

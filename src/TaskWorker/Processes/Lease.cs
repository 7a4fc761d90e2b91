using System.Diagnostics;
using System.Globalization;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// Ends an agent that must not overlap another attempt if its worker is frozen and cannot do it: a small process checks twice a second whether the
/// worker has renewed the lease. The time is uptime, which setting the clock does not change.
/// </summary>
internal sealed class Lease : IDisposable
{
    // $1: the lease's file. $2: the marker of the run. It ends when the file is gone, or when the time is up and nothing of the run is left (the
    // worker may be dead). The shell itself reads `/proc/uptime` and the file.
    private const string Script = """
        while sleep 0.5; do
          { read -r until < "$1"; } 2>/dev/null || exit 0
          read -r now _ < /proc/uptime
          [ "${now%.*}${now#*.}" -lt "$until" ] && continue
          left=
          for environ in $(grep -lszx "$2" /proc/[0-9]*/environ 2>/dev/null); do
            left=yes pid=${environ#/proc/}; kill -KILL "${pid%/environ}" 2>/dev/null
          done
          [ -n "$left" ] || { rm -f "$1"; exit 0; }
        done
        """;

    private readonly string _file;
    private readonly Process _process;
    private long _until;
    private bool _hasLapsed;

    private Lease(string file, Process process, long until) => (_file, _process, _until) = (file, process, until);

    /// <summary>Whether the lease ever expired before it was renewed: then its process may have ended the agent.</summary>
    public bool HasLapsed => _hasLapsed || Uptime() >= _until;

    /// <summary>Null if this is not Linux.</summary>
    public static Lease? Start(string dataDirectory, string marker, TimeSpan time)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var folder = Directory.CreateDirectory(Path.Combine(dataDirectory, "leases"));
        var file = Path.Combine(folder.FullName, Guid.NewGuid().ToString("N"));
        var until = Write(file, time);
        return new Lease(file, HelperShell.Start("taskworker-lease", Script, [file, $"{RunMarker.Variable}={marker}"]), until);
    }

    /// <summary>Lets the agent run for so long from now.</summary>
    public void Renew(TimeSpan time)
    {
        _hasLapsed = HasLapsed;
        _until = Write(_file, time);
    }

    public void Dispose()
    {
        File.Delete(_file);
        _process.Dispose();   // the process ends when the file is gone
    }

    /// <summary>
    /// Writes the new end, as uptime in hundredths of a second like the kernel's. Replaces the file atomically, so that the shell never reads half of it.
    /// </summary>
    private static long Write(string file, TimeSpan time)
    {
        var until = Uptime() + (long)(time.TotalSeconds * 100);
        File.WriteAllText(file + ".new", until.ToString(CultureInfo.InvariantCulture) + "\n");
        File.Move(file + ".new", file, overwrite: true);
        return until;
    }

    private static long Uptime() => (long)Math.Round(double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture) * 100);
}

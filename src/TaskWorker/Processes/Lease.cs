using System.Diagnostics;
using System.Globalization;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// Ends an agent that must not overlap another attempt when its worker cannot do so itself, because it is frozen: a small process beside the agent looks
/// twice a second whether the worker has renewed the lease, in uptime, which no clock setting changes.
/// </summary>
internal sealed class Lease : IDisposable
{
    // $1 the lease's file, $2 the marker of the run. It ends with the file, or once the time is up and nothing of the run is left: its worker may be dead.
    // `/proc/uptime` and the file are read by the shell itself.
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

    /// <summary>Whether the time was ever up before it was renewed: then it may be this that has ended the agent.</summary>
    public bool HasLapsed => _hasLapsed || Uptime() >= _until;

    /// <summary>Null where there is no /proc.</summary>
    public static Lease? Start(string dataDirectory, string marker, TimeSpan time)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var folder = Directory.CreateDirectory(Path.Combine(dataDirectory, "leases"));
        var file = Path.Combine(folder.FullName, Guid.NewGuid().ToString("N"));
        var until = Write(file, time);
        return new Lease(file, HelperShell.Start("taskworker-lease", Script, [file, $"{RunMarker.Variable}={marker}"]), until);
    }

    /// <summary>The agent may live for so long from now.</summary>
    public void Renew(TimeSpan time)
    {
        _hasLapsed = HasLapsed;
        _until = Write(_file, time);
    }

    public void Dispose()
    {
        File.Delete(_file);
        _process.Dispose();   // it sees that the file has gone, and ends
    }

    /// <summary>Uptime in hundredths of a second, as the kernel tells it. Replaced at once, so that the shell never reads half of it.</summary>
    private static long Write(string file, TimeSpan time)
    {
        var until = Uptime() + (long)(time.TotalSeconds * 100);
        File.WriteAllText(file + ".new", until.ToString(CultureInfo.InvariantCulture) + "\n");
        File.Move(file + ".new", file, overwrite: true);
        return until;
    }

    private static long Uptime() => (long)Math.Round(double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture) * 100);
}

using System.Diagnostics;
using System.Globalization;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// Ends an agent that must not overlap another attempt when its worker cannot do so itself, because it is frozen: a small process beside the agent looks
/// twice a second whether the worker has renewed the lease, in uptime, which no clock setting changes.
/// </summary>
internal sealed class Lease : IDisposable
{
    // $1 the lease's file, $2 the marker of the run. It ends with the file, or once the time is up and nothing of the run is left: its worker may be dead. `/proc/uptime` and the file are read by the shell itself.
    private const string Script = """
        while sleep 0.5; do
          { read -r until < "$1"; } 2>/dev/null || exit 0
          read -r now _ < /proc/uptime
          [ "${now%.*}" -lt "$until" ] && continue
          left=
          for environ in $(grep -lszx "$2" /proc/[0-9]*/environ 2>/dev/null); do
            left=yes pid=${environ#/proc/}; kill -KILL "${pid%/environ}" 2>/dev/null
          done
          [ -n "$left" ] || { rm -f "$1"; exit 0; }
        done
        """;

    private readonly string _file;
    private readonly Process _process;

    private Lease(string file, Process process) => (_file, _process) = (file, process);

    /// <summary>Null where there is no /proc.</summary>
    public static Lease? Start(string dataDirectory, string marker, TimeSpan time)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var folder = Directory.CreateDirectory(Path.Combine(dataDirectory, "leases"));
        var file = Path.Combine(folder.FullName, Guid.NewGuid().ToString("N"));
        Write(file, time);
        var start = new ProcessStartInfo("setsid");
        foreach (var argument in (string[])["sh", "-c", Script, "taskworker-lease", file, $"{RunMarker.Variable}={marker}"])
            start.ArgumentList.Add(argument);
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/bin:/usr/bin:/bin";
        return new Lease(file, Process.Start(start)!);
    }

    /// <summary>The agent may live for so long from now.</summary>
    public void Renew(TimeSpan time) => Write(_file, time);

    public void Dispose()
    {
        File.Delete(_file);
        _process.Dispose();   // it sees that the file has gone, and ends
    }

    /// <summary>Whole seconds, rounded down: a little early is right. Replaced at once, so that the shell never reads half of it.</summary>
    private static void Write(string file, TimeSpan time)
    {
        var uptime = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);
        File.WriteAllText(file + ".new", ((long)(uptime + time.TotalSeconds)).ToString(CultureInfo.InvariantCulture) + "\n");
        File.Move(file + ".new", file, overwrite: true);
    }
}

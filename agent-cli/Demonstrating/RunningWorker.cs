using System.Diagnostics;
using System.Globalization;

namespace TaskPipeline.AgentCli.Demonstrating;

/// <summary>The worker that runs this agent, by the marker of the run: its pid and its start time, because the pid alone can be reused.</summary>
internal sealed class RunningWorker
{
    private const string Marker = "TASKPIPELINE_RUN";   // PID.STARTTIME/TASK/ATTEMPT
    private const int StartTime = 19;                   // index among the fields of /proc/PID/stat after the name

    private readonly int _pid;

    private RunningWorker(int pid)
    {
        _pid = pid;
    }

    public static RunningWorker OfThisRun()
    {
        var marker = Environment.GetEnvironmentVariable(Marker) ?? throw CommandException.Usage($"there is no worker to kill: {Marker} is not set, so this is not the run of a task");
        return marker.Split('/')[0].Split('.') is [var digits, var started]
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && StartOf(pid) == started
            ? new RunningWorker(pid)
            : throw CommandException.Usage($"there is no worker to kill: {Marker} names a worker that no longer runs");
    }

    public void Kill()
    {
        using var worker = Process.GetProcessById(_pid);
        worker.Kill();
    }

    private static string? StartOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is { Length: > StartTime } fields ? fields[StartTime] : null;
        }
        catch (IOException)
        {
            return null;   // the process has ended
        }
    }
}

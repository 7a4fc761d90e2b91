using System.Diagnostics;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Starts small helper shells, each in its own session, without the worker's environment.</summary>
internal static class HelperShell
{
    public const string Path = "/usr/local/bin:/usr/bin:/bin";

    public static Process Start(string name, string script, IReadOnlyList<string> arguments, bool hasInput = false, bool hasOutput = false)
    {
        var start = new ProcessStartInfo("setsid", ["sh", "-c", script, name, .. arguments])
        {
            RedirectStandardInput = hasInput,
            RedirectStandardOutput = hasOutput,
        };
        start.Environment.Clear();
        start.Environment["PATH"] = Path;
        return Process.Start(start)!;
    }
}

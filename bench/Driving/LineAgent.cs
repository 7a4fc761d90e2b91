using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// The agent with timed lines: it prints the machine's monotonic clock at a steady beat, unbuffered. Run as <c>Bench agent-lines MILLISECONDS
/// COUNT</c>.
/// </summary>
internal static class LineAgent
{
    public const string Name = "agent-lines";

    public static int Run(string interval, string count)
    {
        using var output = Console.OpenStandardOutput();
        var pace = new Pace(TimeSpan.FromMilliseconds(int.Parse(interval, CultureInfo.InvariantCulture)));
        for (var left = int.Parse(count, CultureInfo.InvariantCulture); left > 0; left--)
        {
            pace.Wait();
            output.Write(Encoding.ASCII.GetBytes($"{Stopwatch.GetTimestamp()}\n"));
        }
        return 0;
    }

    /// <summary>Milliseconds from the printing of a line to <paramref name="seen"/>.</summary>
    public static double Age(string line, long seen) =>
        long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var printed)
            ? Stopwatch.GetElapsedTime(printed, seen).TotalMilliseconds
            : throw new BenchException($"the agent printed '{line}' instead of a time");
}

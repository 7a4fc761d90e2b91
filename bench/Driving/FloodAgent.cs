using System.Globalization;
using System.Text;

namespace TaskPipeline.Bench.Driving;

/// <summary>The agent that prints as fast as it can: numbered lines of one length. Run as <c>Bench agent-flood LINES LENGTH</c>.</summary>
internal static class FloodAgent
{
    public const string Name = "agent-flood";
    private const int WriteBytes = 64 * 1024;

    public static int Run(string lines, string length)
    {
        using var output = new BufferedStream(Console.OpenStandardOutput(), WriteBytes);
        var filler = Encoding.ASCII.GetBytes(Filler(int.Parse(length, CultureInfo.InvariantCulture)));
        var number = new byte[20];
        for (var line = 1L; line <= long.Parse(lines, CultureInfo.InvariantCulture); line++)
        {
            line.TryFormat(number, out var digits);
            output.Write(number, 0, digits);
            output.Write(filler, digits, filler.Length - digits);
        }
        return 0;
    }

    /// <summary>The line with this number, without its line feed.</summary>
    public static string LineOf(long number, int length) => number.ToString(CultureInfo.InvariantCulture) is var digits ? digits + Filler(length)[digits.Length..^1] : "";

    /// <param name="length">Length including the line feed.</param>
    private static string Filler(int length) => new string('.', length - 1) + '\n';
}

using System.Text.RegularExpressions;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Colours for terminals.</summary>
internal static partial class Paint
{
    private const string Red = "31";
    private const string Green = "32";
    private const string Yellow = "33";
    private const string Blue = "34";
    private const string Faint = "2";

    public static string Errors(string text, bool isWanted) => In(Red, text, isWanted);

    public static string Aside(string text, bool isWanted) => In(Faint, text, isWanted);

    public static string Warning(string text, bool isWanted) => In(Yellow, text, isWanted);

    public static string Of(Status status, bool isWanted, int width = 0) => In(ColourOf(status), status.ToString().PadRight(width), isWanted);

    /// <summary>Agents can print their own colours. These end with the line.</summary>
    public static string OfAgent(string text, bool isWanted)
    {
        if (!text.Contains('\e', StringComparison.Ordinal))
            return text;
        return isWanted ? text + "\e[0m" : Plain(text);
    }

    /// <summary>The text without an agent's colours.</summary>
    public static string Plain(string text) => Sequences().Replace(text, "");

    private static string In(string colour, string text, bool isWanted) => isWanted ? $"\e[{colour}m{text}\e[0m" : text;

    private static string ColourOf(Status status) => status.Word switch
    {
        "succeeded" => Green,
        "failed" or "timed_out" or "expired" => Red,
        "stopped" or "stopping" or "paused" or "held" or "retry_waiting" => Yellow,
        "running" or "starting" => Blue,
        _ => Faint,
    };

    [GeneratedRegex(@"\e\[[0-9;:]*m")]
    private static partial Regex Sequences();
}

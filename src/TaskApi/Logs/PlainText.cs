using System.Text.RegularExpressions;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>A line as it reads on paper: without colours and other escapes, and without text that the agent overwrote after a carriage return.</summary>
internal static partial class PlainText
{
    public static string Of(string line) => Visible(WithoutEscapes(line));

    public static string WithoutEscapes(string text) => text.Contains('\x1b', StringComparison.Ordinal) ? Escapes().Replace(text, "") : text;

    /// <summary>The visible part of text without escapes.</summary>
    public static string Visible(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\0', '\x1f') < 0)
            return text;
        var visible = text.Split('\r', StringSplitOptions.RemoveEmptyEntries);
        return visible.Length == 0 ? "" : Controls().Replace(visible[^1], "");
    }

    // CSI sequences, OSC strings with their terminator, and two-character escapes.
    [GeneratedRegex(@"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")]
    private static partial Regex Escapes();

    [GeneratedRegex(@"[\x00-\x08\x0a-\x1f\x7f]")]
    private static partial Regex Controls();
}

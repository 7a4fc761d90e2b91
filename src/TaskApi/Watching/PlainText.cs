using System.Text.RegularExpressions;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>A line as it reads on paper: without colours and other escapes, and without what the agent itself overwrote after a carriage return.</summary>
internal static partial class PlainText
{
    public static string Of(string line)
    {
        if (line.AsSpan().IndexOfAnyInRange('\0', '\x1f') < 0)
            return line;
        var text = Escapes().Replace(line, "");
        var visible = text.Split('\r', StringSplitOptions.RemoveEmptyEntries);
        return visible.Length == 0 ? "" : Controls().Replace(visible[^1], "");
    }

    // CSI sequences, OSC strings with their terminator, and two-character escapes.
    [GeneratedRegex(@"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")]
    private static partial Regex Escapes();

    [GeneratedRegex(@"[\x00-\x08\x0a-\x1f\x7f]")]
    private static partial Regex Controls();
}

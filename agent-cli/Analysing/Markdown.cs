namespace TaskPipeline.AgentCli.Analysing;

internal static class Markdown
{
    /// <summary>Escapes text for a table cell: on one line, without markup.</summary>
    public static string Cell(string text)
    {
        var line = text.ReplaceLineEndings(" ").Replace("|", @"\|", StringComparison.Ordinal);
        return line.Replace("<", "&lt;", StringComparison.Ordinal).Replace("`", @"\`", StringComparison.Ordinal);
    }

    public static string Quote(string text)
    {
        return string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(line => $"> {line}"));
    }
}

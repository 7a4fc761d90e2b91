namespace TaskPipeline.AgentCli.Analysing;

/// <summary>The protocol between an agent and its children: lines on the child's stdout.</summary>
internal static class PartLines
{
    /// <summary>Followed by the number of rows that the part has read so far.</summary>
    public const string Rows = "rows ";

    /// <summary>Followed by the part's profiles as JSON. The last line.</summary>
    public const string Profiles = "profiles ";
}

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>The words between an agent and its children: one line each on the child's stdout.</summary>
internal static class PartLines
{
    /// <summary>Followed by how many rows the part has read so far.</summary>
    public const string Rows = "rows ";

    /// <summary>Followed by the part's profiles as JSON; the last line.</summary>
    public const string Profiles = "profiles ";
}

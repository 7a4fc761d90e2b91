namespace TaskPipeline.Shared.Hosting;

public static class HostArguments
{
    /// <summary>
    /// The arguments for a host's builder. Settings are read once: a host that looked for changed settings would watch every file below its
    /// working directory, and workspaces may lie there.
    /// </summary>
    public static string[] For(string[] args) => [.. args, "--hostBuilder:reloadConfigOnChange=false"];
}

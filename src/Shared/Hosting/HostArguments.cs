namespace TaskPipeline.Shared.Hosting;

public static class HostArguments
{
    /// <summary>
    /// The arguments for a host's builder. Settings are read once: a host that reloads them would watch every file below its working directory, which
    /// can contain workspaces.
    /// </summary>
    public static string[] For(string[] args) => [.. args, "--hostBuilder:reloadConfigOnChange=false"];
}

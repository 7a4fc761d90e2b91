namespace TaskPipeline.AgentCli;

internal static class ExitCodes
{
    public const int Succeeded = 0;

    /// <summary>The work failed; running it again may help.</summary>
    public const int Failed = 1;

    /// <summary>The command line asks for what is not there (option, file, tab): running it again unchanged will not help.</summary>
    public const int Usage = 2;

    public const int Interrupted = 130;
    public const int Terminated = 143;
}

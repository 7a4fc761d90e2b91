namespace TaskPipeline.AgentCli;

internal static class ExitCodes
{
    public const int Succeeded = 0;

    /// <summary>The work failed; running it again may help.</summary>
    public const int Failed = 1;

    /// <summary>The command line asks for what is not there (option, file, tab): running it again unchanged will not help.</summary>
    public const int Usage = 2;

    /// <summary>EX_TEMPFAIL of sysexits.h: something that the work needs is away for now.</summary>
    public const int TemporaryFailure = 75;

    public const int Interrupted = 130;
    public const int Terminated = 143;
}

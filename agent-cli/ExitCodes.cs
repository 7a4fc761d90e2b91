namespace TaskPipeline.AgentCli;

internal static class ExitCodes
{
    public const int Succeeded = 0;

    /// <summary>The work failed; a retry can help.</summary>
    public const int Failed = 1;

    /// <summary>The command line names something that does not exist (option, file, tab); a retry does not help.</summary>
    public const int Usage = 2;

    /// <summary>EX_TEMPFAIL of sysexits.h: something that the work needs is temporarily unavailable.</summary>
    public const int TemporaryFailure = 75;

    public const int Interrupted = 130;
    public const int Terminated = 143;
}

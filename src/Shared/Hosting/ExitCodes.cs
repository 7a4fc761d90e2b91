namespace TaskPipeline.Shared.Hosting;

/// <summary>Exit codes for the supervisor; numbers from sysexits.h.</summary>
public static class ExitCodes
{
    /// <summary>EX_SOFTWARE: a part of the process has failed. A restart continues its work.</summary>
    public const int Died = 70;

    /// <summary>EX_CONFIG: the configuration is invalid. A restart does not help.</summary>
    public const int BadConfiguration = 78;
}

namespace TaskPipeline.Shared.Hosting;

/// <summary>What the end of a process tells its supervisor; numbers of sysexits.h.</summary>
public static class ExitCodes
{
    /// <summary>EX_SOFTWARE: a part of it has died. Started again, it goes on.</summary>
    public const int Died = 70;

    /// <summary>EX_CONFIG: it is configured wrongly. Starting it again does not help.</summary>
    public const int BadConfiguration = 78;
}

using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe;

internal static class ExitCodes
{
    public const int Succeeded = 0;
    public const int Failed = 1;
    public const int Usage = 2;

    /// <summary>EX_UNAVAILABLE of sysexits.h.</summary>
    public const int Unreachable = 69;

    /// <summary>EX_PROTOCOL of sysexits.h.</summary>
    public const int Mismatch = 76;

    /// <summary>The exit code of timeout(1).</summary>
    public const int TimedOut = 124;

    public const int Interrupted = 130;
    public const int BrokenPipe = 141;

    /// <summary>Of a program that SIGTERM has ended; also of a task that somebody has stopped.</summary>
    public const int Terminated = 143;

    /// <summary>The exit code for a task: what a script would get if it ran the agent itself.</summary>
    public static int Of(Status status, int? exitCode) => status.Word switch
    {
        "succeeded" => Succeeded,
        "stopped" => Terminated,
        "timed_out" or "expired" => TimedOut,
        _ => exitCode is > 0 and < 256 and var code ? code : Failed,
    };
}

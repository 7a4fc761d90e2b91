namespace TaskPipeline.Taskpipe;

/// <summary>An expected failure of a command: one sentence for the user, and the exit code.</summary>
internal sealed class CommandException(string message, int exitCode = ExitCodes.Failed) : Exception(message)
{
    public int ExitCode => exitCode;

    public static CommandException Usage(string message) => new(message, ExitCodes.Usage);
}

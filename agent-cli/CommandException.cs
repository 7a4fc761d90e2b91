namespace TaskPipeline.AgentCli;

/// <summary>An expected failure of a command: one sentence for the user, and the exit code.</summary>
public sealed class CommandException : Exception
{
    public CommandException()
    {
    }

    public CommandException(string message)
        : base(message)
    {
    }

    public CommandException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public int ExitCode { get; init; } = ExitCodes.Failed;

    public static CommandException Usage(string message)
    {
        return new CommandException(message) { ExitCode = ExitCodes.Usage };
    }
}

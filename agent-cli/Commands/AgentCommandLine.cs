using System.CommandLine;
using System.CommandLine.Parsing;
using System.Data.Common;

namespace TaskPipeline.AgentCli.Commands;

/// <summary>The whole command line. Every failure ends with one sentence and an exit code, never with a stack trace.</summary>
internal static class AgentCommandLine
{
    private const string Description = """
        Sample agents for TaskPipeline. They also work from a shell.

        The database is --db, otherwise the environment variable DB_CONN, otherwise the file ./agent.db:
          a path, or Data Source=PATH             an SQLite file, created if it does not exist
          postgres://USER:PASSWORD@HOST/DATABASE  PostgreSQL; Host=...;Database=... works too

        Exit codes: 0 done, 1 failed, 2 the command line names something that does not exist (option, file, tab),
        75 something that the work needs is temporarily unavailable, 130 ended by SIGINT, 143 ended by SIGTERM.
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand(Description)
        {
            SeedDbCommand.Create(),
            new Command("task-context", "Import the context of a task into the database.") { ImportExcelCommand.Create() },
            new Command("agent", "Run an agent on the imported data.") { AgentRunCommand.Create(), AnalysePartCommand.Create() },
            MakeWorkbookCommand.Create(),
            DemoCommand.Create(),
        };
        // Without this, a question that begins with @ would name a response file.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        (parsed.CommandResult.Command as DetailedCommand)?.AddDetails();
        return parsed.Errors.Count > 0 ? Refuse(parsed) : await RunAsync(parsed);
    }

    private static async Task<int> RunAsync(ParseResult parsed)
    {
        using var termination = new Termination();
        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, termination.Requested);
        }
#pragma warning disable CA1031 // The outermost frame: an exception here would print a stack trace.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return End(exception, termination);
        }
    }

    private static int End(Exception exception, Termination termination)
    {
        // After a signal every failure is a result of it: drivers report cancelled calls in different ways.
        if (termination.Requested.IsCancellationRequested)
        {
            Complain("ended by a signal");
            return termination.ExitCode;
        }

        Complain(Explain(exception));
        return (exception as CommandException)?.ExitCode ?? ExitCodes.Failed;
    }

    private static int Refuse(ParseResult parsed)
    {
        foreach (var error in parsed.Errors)
            Complain(error.Message);
        Console.Error.WriteLine($"Try '{CommandPath(parsed)} --help'.");
        return ExitCodes.Usage;
    }

    private static string Explain(Exception exception)
    {
        return exception switch
        {
            CommandException => exception.Message,
            DbException => $"database error: {exception.Message}",
            IOException or UnauthorizedAccessException => exception.Message,
            _ => $"unexpected {exception.GetType().Name}: {exception.Message}",
        };
    }

    private static void Complain(string message)
    {
        Console.Error.WriteLine($"agent-cli: {message.ReplaceLineEndings(" ")}");
    }

    private static string CommandPath(ParseResult parsed)
    {
        var names = new List<string>();
        for (SymbolResult? symbol = parsed.CommandResult; symbol is not null; symbol = symbol.Parent)
        {
            if (symbol is CommandResult { Command: not RootCommand } result)
                names.Insert(0, result.Command.Name);
        }

        return string.Join(' ', names.Prepend("agent-cli"));
    }
}

using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>The whole command line. Whatever happens, the user gets a sentence and an exit code, never a stack trace.</summary>
internal static class TaskpipeCommandLine
{
    private const int BrokenPipe = 32;   // EPIPE

    private const string Description = """
        Submits tasks to a TaskPipeline, watches and steers them.

        What a task prints comes out as the task has printed it, stdout to stdout and stderr to stderr; what taskpipe says
        itself goes to stderr. With --json it prints JSON objects instead, one per line. NO_COLOR takes the colours away; a
        terminal shows an agent's ::task:progress as a bar in place of those lines.

        Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 69 the server cannot be reached, 76 lines of the output are
        missing or are not as they were printed, 130 ended by Ctrl+C, 143 ended by SIGTERM. Commands that watch a task to its
        end take its exit code: that of its agent, 143 where somebody has stopped it, 124 where it ran out of time, 1 where
        it failed without one.
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand(Description)
        {
            SubmitCommand.Create(),
            WatchCommand.Create(),
            StopCommand.Create(),
            ListCommand.Create(),
            ShowCommand.Create(),
            OutputCommand.Create(),
            InputCommand.Create(),
            PauseCommand.Create("pause", "Let a running task stand still.", (client, id, cancellationToken) => client.PauseAsync(id, cancellationToken: cancellationToken)),
            PauseCommand.Create("resume", "Let a paused task go on.", (client, id, cancellationToken) => client.ResumeAsync(id, cancellationToken: cancellationToken)),
            PauseCommand.Create("release", "Let a task go on at once that is held, or waits for its time.", (client, id, cancellationToken) => client.ReleaseAsync(id, cancellationToken)),
            EmitCommand.Create(),
            ArtifactsCommand.Create(),
            ReplayCommand.Create(),
            DeadLettersCommand.Create(),
            CompletionCommand.Create(),
        };
        root.Add(Session.Url);
        root.Add(Session.Json);
        // A text may begin with @, and that shall not name a file of arguments.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        (parsed.CommandResult.Command as DetailedCommand)?.AddDetails();
        // A half-written command line that a shell wants to have completed is no mistake.
        var isSuggestion = root.Directives.OfType<SuggestDirective>().Any(directive => parsed.GetResult(directive) is not null);
        return parsed.Errors.Count > 0 && !isSuggestion ? Refuse(parsed) : await RunAsync(parsed);
    }

    private static async Task<int> RunAsync(ParseResult parsed)
    {
        using var interruption = new Interruption();
        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, interruption.Requested);
        }
#pragma warning disable CA1031 // The outermost frame: beyond it there is only the runtime's stack trace.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return End(exception, interruption);
        }
    }

    private static int End(Exception exception, Interruption interruption)
    {
        if (exception is IOException { HResult: BrokenPipe })
            return ExitCodes.BrokenPipe;   // whoever read this has seen enough
        if (exception is not OperationCanceledException)
            Complain(Explain(exception));
        return interruption.Requested.IsCancellationRequested ? interruption.ExitCode : CodeOf(exception);
    }

    private static string Explain(Exception exception) => exception switch
    {
        ServerUnreachableException { Cursor: { } cursor } => $"{exception.Message}; '--from {cursor}' goes on from here",
        ServerUnreachableException => $"{exception.Message}; --url or TASKPIPE_URL names another",
        TaskPipelineException or CommandException or IOException => exception.Message,
        _ => $"unexpected {exception.GetType().Name}: {exception.Message}",
    };

    private static int CodeOf(Exception exception) => exception switch
    {
        CommandException expected => expected.ExitCode,
        ServerUnreachableException => ExitCodes.Unreachable,
        OutputMismatchException => ExitCodes.Mismatch,
        TaskPipelineException { Status: System.Net.HttpStatusCode.BadRequest } => ExitCodes.Usage,
        TaskPipelineException { Status: System.Net.HttpStatusCode.BadGateway or System.Net.HttpStatusCode.ServiceUnavailable or System.Net.HttpStatusCode.GatewayTimeout } => ExitCodes.Unreachable,
        _ => ExitCodes.Failed,
    };

    private static int Refuse(ParseResult parsed)
    {
        foreach (var error in parsed.Errors)
            Complain(error.Message);
        Console.Error.WriteLine($"Try '{CommandPath(parsed)} --help'.");
        return ExitCodes.Usage;
    }

    private static void Complain(string message) => Console.Error.WriteLine($"taskpipe: {message.ReplaceLineEndings(" ")}");

    private static string CommandPath(ParseResult parsed)
    {
        var names = new List<string>();
        for (SymbolResult? symbol = parsed.CommandResult; symbol is not null; symbol = symbol.Parent)
            if (symbol is CommandResult { Command: not RootCommand } result)
                names.Insert(0, result.Command.Name);
        return string.Join(' ', names.Prepend("taskpipe"));
    }
}

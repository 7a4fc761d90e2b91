using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>The whole command line. Every failure ends with one sentence and an exit code, never with a stack trace.</summary>
internal static class TaskpipeCommandLine
{
    private const int BrokenPipe = 32;   // EPIPE

    private const string Description = """
        Submits, watches and controls tasks of a TaskPipeline.

        A task's stdout appears on stdout, and its stderr on stderr. Messages of taskpipe itself go to stderr. With --json each
        line of stdout is a JSON object. NO_COLOR turns colours off. On a terminal, a bar replaces an agent's ::task:progress lines.

        Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 69 the server cannot be reached, 76 lines of the output are
        missing or are not as they were printed, 130 ended by Ctrl+C, 143 ended by SIGTERM. Commands that watch a task to its
        end return its result: 0 if it succeeded, its agent's exit code if it failed (1 if there is none), 143 if somebody
        stopped it, 124 if it timed out or expired.
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
            PauseCommand.Create("pause", "Pause a running task.", (client, id, cancellationToken) => client.PauseAsync(id, cancellationToken: cancellationToken)),
            PauseCommand.Create("resume", "Resume a paused task.", (client, id, cancellationToken) => client.ResumeAsync(id, cancellationToken: cancellationToken)),
            PauseCommand.Create("release", "Run a task now that is held, or that waits for its time.", (client, id, cancellationToken) => client.ReleaseAsync(id, cancellationToken)),
            EmitCommand.Create(),
            ArtifactsCommand.Create(),
            ReplayCommand.Create(),
            DeadLettersCommand.Create(),
            CompletionCommand.Create(),
        };
        root.Add(Session.Url);
        root.Add(Session.Json);
        // Without this, an argument that begins with @ would name a response file.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        (parsed.CommandResult.Command as DetailedCommand)?.AddDetails();
        // A shell completes command lines that are not finished, so their errors do not count.
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
#pragma warning disable CA1031 // The outermost frame: an exception here would print a stack trace.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return End(exception, interruption);
        }
    }

    private static int End(Exception exception, Interruption interruption)
    {
        if (exception is IOException { HResult: BrokenPipe })
            return ExitCodes.BrokenPipe;   // the reader of the pipe has ended
        if (exception is not OperationCanceledException)
            Complain(Explain(exception));
        return interruption.Requested.IsCancellationRequested ? interruption.ExitCode : CodeOf(exception);
    }

    private static string Explain(Exception exception) => exception switch
    {
        ServerUnreachableException { Cursor: { } cursor } => $"{exception.Message}; continue with '--from {cursor}'",
        ServerUnreachableException => $"{exception.Message}; set another server with --url or TASKPIPE_URL",
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

using System.CommandLine;
using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

internal static class OutputCommand
{
    private const string Details = """
        Prints the existing lines; with --follow also new lines, until the task has ended. The exit code says whether the output
        could be read, not how the task ended.
        Example: taskpipe output 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 --search error
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var follow = new Option<bool>("--follow", "-f") { Description = "Continue until the task has ended" };
        var search = new Option<string?>("--search") { Description = "Only lines with this text, in upper or lower case", HelpName = "TEXT" };
        var attempt = new Option<int?>("--attempt") { Description = "Only lines of this attempt", HelpName = "N" };
        var streams = new StreamOption();
        var output = new DetailedCommand("output", "Print a task's output.", Details) { id, follow, search, attempt, streams };
        output.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var options = new OutputOptions { Search = parsed.GetValue(search), Attempt = parsed.GetValue(attempt), Streams = parsed.GetValue(streams) };
            var taskId = parsed.GetRequiredValue(id);
            var lines = parsed.GetValue(follow) ? FollowAsync(session, taskId, options, cancellationToken) : session.Client.OutputAsync(taskId, options, cancellationToken);
            var printer = new LinePrinter(session.Screen);
            await Following.PrintAllAsync(session.Screen, lines, line =>
            {
                if (session.Screen.AsJson)
                    session.Screen.Json(line, TaskpipeJson.Readable.OutputLine);
                else
                    printer.Print(line);
            });
            return ExitCodes.Succeeded;
        }));
        return output;
    }

    /// <summary>Searches on the client: the server would search all its lines again whenever there is a new one.</summary>
    private static IAsyncEnumerable<OutputLine> FollowAsync(Session session, string taskId, OutputOptions options, CancellationToken cancellationToken)
    {
        var lines = session.Client.WatchAsync(taskId, Following.Options(session) with { Streams = options.Streams }, cancellationToken)
            .OfType<LinesEvent>()
            .Where(next => options.Attempt is null || next.Attempt == options.Attempt)
            .SelectMany(next => next.Lines);
        return options.Search is { } search ? WholeLines.Of(lines).Where(line => line.Text.Contains(search, StringComparison.OrdinalIgnoreCase)) : lines;
    }
}

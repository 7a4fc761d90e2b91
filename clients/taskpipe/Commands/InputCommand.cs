using System.CommandLine;

namespace TaskPipeline.Taskpipe.Commands;

internal static class InputCommand
{
    private const string Details = """
        For task types that take input. 'taskpipe watch' shows when the agent has it.
        Example: taskpipe input 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 yes
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var text = new Argument<string?>("TEXT") { Description = "A line for the agent's stdin", Arity = ArgumentArity.ZeroOrOne };
        var close = new Option<bool>("--close") { Description = "Close the agent's stdin, after the text if there is one" };
        var input = new DetailedCommand("input", "Write a line to the stdin of a running task's agent.", Details) { id, text, close };
        input.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var taskId = parsed.GetRequiredValue(id);
            var (line, isClosed) = (parsed.GetValue(text), parsed.GetValue(close));
            if (line is null && !isClosed)
                throw CommandException.Usage("input takes a text, or --close, or both");
            var sent = line is null ? null : await session.Client.InputAsync(taskId, line, cancellationToken: cancellationToken);
            if (isClosed)
                sent = await session.Client.CloseInputAsync(taskId, cancellationToken: cancellationToken);
            if (session.Screen.AsJson)
                session.Screen.Json(sent!, TaskpipeJson.Readable.SentInput);
            else
                session.Screen.Say($"input sent to the agent of attempt {sent!.Attempt}");
            return ExitCodes.Succeeded;
        }));
        return input;
    }
}

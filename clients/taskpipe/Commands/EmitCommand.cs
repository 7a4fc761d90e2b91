using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TaskPipeline.Taskpipe.Commands;

internal static class EmitCommand
{
    private const string Details = """
        Every watcher of the task receives the event once, among its lines, also a watcher that starts later.
        Example: taskpipe emit 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 approved '{"by":"Ada"}'
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var name = new Argument<string>("NAME") { Description = "Name of the event" };
        var data = new Argument<string?>("DATA") { Description = "JSON data of the event", Arity = ArgumentArity.ZeroOrOne };
        var key = new Option<string?>("--key") { Description = "Idempotency key", HelpName = "KEY" };
        var emit = new DetailedCommand("emit", "Add your own event to a task's timeline.", Details) { id, name, data, key };
        emit.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var sent = await session.Client.EmitAsync(parsed.GetRequiredValue(id), parsed.GetRequiredValue(name), Data(parsed.GetValue(data)), parsed.GetValue(key), cancellationToken);
            if (session.Screen.AsJson)
                session.Screen.Json(sent, TaskpipeJson.Readable.SentEvent);
            else
                session.Screen.Say("the event is in the task's timeline");
            return ExitCodes.Succeeded;
        }));
        return emit;
    }

    private static JsonNode? Data(string? text)
    {
        try
        {
            return text is null ? null : JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            throw CommandException.Usage($"DATA must be JSON, such as '{{\"by\":\"Ada\"}}', not '{text}'; a string needs its own quotes");
        }
    }
}

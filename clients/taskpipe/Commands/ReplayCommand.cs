using System.CommandLine;
using System.Text.Json.Nodes;

namespace TaskPipeline.Taskpipe.Commands;

internal static class ReplayCommand
{
    private const string Details = """
        Prints the id of the new task. The ended task does not change. Each given param replaces the one with the same name; the
        other params are kept.
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var parameters = TaskParams.Option();
        var key = new Option<string?>("--key") { Description = "Idempotency key", HelpName = "KEY" };
        var watch = new Option<bool>("--watch", "-w") { Description = "Watch the task to its end and return its exit code" };
        var replay = new DetailedCommand("replay", "Run an ended task again, as a new task.", Details) { id, parameters, key, watch };
        replay.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var taskId = parsed.GetRequiredValue(id);
            var changed = Pairs.Of("-p", parsed.GetValue(parameters));
            var all = changed.Count == 0 ? null : await ChangeAsync(session, taskId, changed, cancellationToken);
            var submitted = await session.Client.ReplayAsync(taskId, all, parsed.GetValue(key), cancellationToken);
            return await Following.AnswerAsync(session, submitted, parsed.GetValue(watch), cancellationToken);
        }));
        return replay;
    }

    private static async Task<JsonObject> ChangeAsync(Session session, string taskId, Dictionary<string, string> changed, CancellationToken cancellationToken)
    {
        var task = await session.Client.GetAsync(taskId, cancellationToken: cancellationToken);
        var all = task.Params;
        foreach (var (name, value) in await TaskParams.ReadAsync(session.Client, task.Type, task.Command, changed, cancellationToken))
            all[name] = value?.DeepClone();
        return all;
    }
}

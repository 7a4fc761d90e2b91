using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

internal static class WatchCommand
{
    private const string Details = """
        Shows a task from its first line to its end, including what has already happened, and returns the task's exit code. If
        the connection is lost, it reconnects by itself, for up to two minutes. Ctrl+C ends the watch, not the task. --from
        accepts the cursors of the --json events. Without an ID it shows the status changes of all tasks, or of a project, from
        now on, until Ctrl+C.
        Examples: taskpipe watch 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 --tail 20
                  taskpipe watch --project shop
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument { Arity = ArgumentArity.ZeroOrOne, Description = "Id of the task. Default: all tasks" };
        var tail = new Option<int?>("--tail") { Description = "Begin with the last N lines", HelpName = "N" };
        var since = new Option<string?>("--since") { Description = "Begin with the first line since a time (RFC 3339), or within the last 10m, 2h", HelpName = "TIME" };
        var from = new Option<string?>("--from") { Description = "Begin after this cursor; or start, or now", HelpName = "CURSOR" };
        var streams = new StreamOption();
        var project = new Option<string?>("--project") { Description = "Without an ID: only tasks of this project", HelpName = "NAME" };
        var watch = new DetailedCommand("watch", "Watch a task to its end, or the status changes of all tasks.", Details) { id, tail, since, from, streams, project };
        watch.Validators.Add(parsed =>
        {
            var ofOne = new Option[] { tail, since, from, streams }.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false });
            if (parsed.GetResult(id) is { Tokens.Count: > 0 })
            {
                if (parsed.GetResult(project) is not null)
                    parsed.AddError("--project is for watching many tasks: omit the ID");
            }
            else if (ofOne is not null)
                parsed.AddError($"{ofOne.Name} is for watching one task: give its ID");
        });
        watch.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            // A request before the watch fails at once if there is no such task or no server.
            if (parsed.GetValue(id) is not { Length: > 0 } taskId)
            {
                await session.Client.TaskTypesAsync(cancellationToken);
                return await Following.WatchAllAsync(session, new ViewOptions { Project = parsed.GetValue(project), OnConnectionLost = Following.Options(session).OnConnectionLost }, cancellationToken);
            }
            await session.Client.GetAsync(taskId, cancellationToken: cancellationToken);
            var options = Following.Options(session) with { From = parsed.GetValue(from), Since = parsed.GetValue(since), Tail = parsed.GetValue(tail), Streams = parsed.GetValue(streams) };
            return await Following.WatchAsync(session, taskId, session.Client.WatchAsync(taskId, options, cancellationToken), cancellationToken);
        }));
        return watch;
    }
}

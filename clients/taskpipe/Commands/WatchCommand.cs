using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

internal static class WatchCommand
{
    private const string Details = """
        Shows all that has happened to the task and what happens, from the first line, however late you come, and takes the
        task's exit code. When the connection is lost it comes back by itself, for up to two minutes. Ctrl+C ends the
        watching, not the task. The cursors of --json's events are places for --from.
        Without an ID it shows how all tasks come along from now on, or those of a project, until Ctrl+C.
        Examples: taskpipe watch 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 --tail 20
                  taskpipe watch --project shop
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument { Arity = ArgumentArity.ZeroOrOne, Description = "The task; all where it is missing" };
        var tail = new Option<int?>("--tail") { Description = "Begin with the last N lines", HelpName = "N" };
        var since = new Option<string?>("--since") { Description = "Begin with the first line from a time on (RFC 3339), or of the last 10m, 2h", HelpName = "TIME" };
        var from = new Option<string?>("--from") { Description = "Begin behind this cursor; start or now", HelpName = "CURSOR" };
        var streams = new StreamOption();
        var project = new Option<string?>("--project") { Description = "Without an ID: only tasks of a project", HelpName = "NAME" };
        var watch = new DetailedCommand("watch", "Show a task to its end, or how all of them come along.", Details) { id, tail, since, from, streams, project };
        watch.Validators.Add(parsed =>
        {
            var ofOne = new Option[] { tail, since, from, streams }.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false });
            if (parsed.GetResult(id) is { Tokens.Count: > 0 })
            {
                if (parsed.GetResult(project) is not null)
                    parsed.AddError("--project is for watching many tasks: leave the ID away");
            }
            else if (ofOne is not null)
                parsed.AddError($"{ofOne.Name} is for watching one task: give its ID");
        });
        watch.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            // Asked first: who names what is not there, or has no server, shall know at once.
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

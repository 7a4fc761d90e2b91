using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

internal static class WatchCommand
{
    private const string Details = """
        Shows all that has happened to the task and what happens, from the first line, however late you come, and takes the
        task's exit code. When the connection is lost it comes back by itself, for up to two minutes. Ctrl+C ends the
        watching, not the task. The cursors of --json's events are places for --from.
        Example: taskpipe watch 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 --tail 20
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var tail = new Option<int?>("--tail") { Description = "Begin with the last N lines", HelpName = "N" };
        var since = new Option<string?>("--since") { Description = "Begin with the first line from a time on (RFC 3339), or of the last 10m, 2h", HelpName = "TIME" };
        var from = new Option<string?>("--from") { Description = "Begin behind this cursor; start or now", HelpName = "CURSOR" };
        var streams = new StreamOption();
        var watch = new DetailedCommand("watch", "Show a task to its end.", Details) { id, tail, since, from, streams };
        watch.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var taskId = parsed.GetRequiredValue(id);
            // Asked first: who names what is not there, or has no server, shall know at once.
            await session.Client.GetAsync(taskId, cancellationToken: cancellationToken);
            var options = Following.Options(session) with { From = parsed.GetValue(from), Since = parsed.GetValue(since), Tail = parsed.GetValue(tail), Streams = parsed.GetValue(streams) };
            return await Following.WatchAsync(session, taskId, session.Client.WatchAsync(taskId, options, cancellationToken), cancellationToken);
        }));
        return watch;
    }
}

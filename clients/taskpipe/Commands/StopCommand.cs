using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

internal static class StopCommand
{
    private const string Details = """
        Comes back when the request is safe; 'taskpipe watch' shows when the task has ended. Asking twice is harmless.
        Its agent gets SIGTERM, and SIGKILL after the grace that its type gives it; with --force it gets none.
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var force = new Option<bool>("--force") { Description = "At once, without grace" };
        var reason = new Option<string?>("--reason") { Description = "For the people who read the task's history", HelpName = "TEXT" };
        var stop = new DetailedCommand("stop", "Stop a task.", Details) { id, force, reason };
        stop.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var taskId = parsed.GetRequiredValue(id);
            await session.Client.StopAsync(taskId, new StopRequest { Force = parsed.GetValue(force), Reason = parsed.GetValue(reason) }, cancellationToken: cancellationToken);
            return PauseCommand.Answer(session, taskId, "stop");
        }));
        return stop;
    }
}

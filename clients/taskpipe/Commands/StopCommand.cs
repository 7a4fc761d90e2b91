using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

internal static class StopCommand
{
    private const string Details = """
        Returns when the request is durable; 'taskpipe watch' shows when the task has ended. You can repeat a stop. The agent
        gets SIGTERM, and SIGKILL after the grace period of its type. With --force there is no grace period.
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var force = new Option<bool>("--force") { Description = "End the agent at once, without a grace period" };
        var reason = new Option<string?>("--reason") { Description = "A reason for people who read the task's history", HelpName = "TEXT" };
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

using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Pause, resume and release, which have the same form.</summary>
internal static class PauseCommand
{
    public static Command Create(string name, string description, Func<TaskPipelineClient, string, CancellationToken, Task> ask)
    {
        var id = new TaskIdArgument();
        var command = new Command(name, description) { id };
        command.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var taskId = parsed.GetRequiredValue(id);
            await ask(session.Client, taskId, cancellationToken);
            return Answer(session, taskId, name);
        }));
        return command;
    }

    public static int Answer(Session session, string taskId, string requested)
    {
        if (session.Screen.AsJson)
            session.Screen.Json(new Done(taskId, requested), TaskpipeJson.Readable.Done);
        else
            session.Screen.Say($"requested: {requested} {taskId}");
        return ExitCodes.Succeeded;
    }
}

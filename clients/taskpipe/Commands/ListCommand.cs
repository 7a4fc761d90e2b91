using System.CommandLine;
using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

internal static class ListCommand
{
    private const int UsualLimit = 50;
    private const int IdWidth = 36;
    private const int TypeWidth = 24;
    private const int StatusWidth = 13;

    public static Command Create()
    {
        var status = new Option<string?>("--status") { Description = "Only tasks with this status, such as running or failed", HelpName = "STATUS" };
        status.CompletionSources.Add([.. Status.All.Select(known => known.Word)]);
        var project = new Option<string?>("--project") { Description = "Only tasks of this project", HelpName = "NAME" };
        var type = new Option<string?>("--type") { Description = "Only tasks of this type", HelpName = "TYPE" };
        var limit = new Option<int>("--limit") { Description = "Maximum number of tasks", HelpName = "N", DefaultValueFactory = _ => UsualLimit };
        var list = new Command("ls", "List tasks, newest first.") { status, project, type, limit };
        list.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var filter = new TaskFilter { Status = parsed.GetValue(status) is { } word ? new Status(word) : null, Project = parsed.GetValue(project), Type = parsed.GetValue(type) };
            var screen = session.Screen;
            var heading = $"{"TASK",-IdWidth} {"STATUS",-StatusWidth} {"TYPE",-TypeWidth} {"AGE",4} {"LINES",9}";
            await Following.PrintTableAsync(screen, heading, session.Client.ListAsync(filter, cancellationToken).Take(parsed.GetValue(limit)), task => Print(screen, task, session.Clock.Now));
            return ExitCodes.Succeeded;
        }));
        return list;
    }

    private static void Print(Screen screen, TaskSummary task, DateTimeOffset now)
    {
        if (screen.AsJson)
        {
            screen.Json(task, TaskpipeJson.Readable.TaskSummary);
            return;
        }
        var type = task.Command is null ? task.Type : $"{task.Type} {task.Command}";
        var age = Ages.Of(now - task.SubmittedAt);
        screen.OutLine($"{task.TaskId,-IdWidth} {Paint.Of(task.Status, screen.OutHasColour, StatusWidth)} {type,-TypeWidth} {age,4} {task.Lines,9}");
    }
}

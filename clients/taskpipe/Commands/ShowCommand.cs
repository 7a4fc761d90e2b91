using System.CommandLine;
using System.Globalization;
using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

internal static class ShowCommand
{
    private const int NameWidth = 11;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var show = new Command("show", "Show all details of a task, without its output.") { id };
        show.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var task = await session.Client.GetAsync(parsed.GetRequiredValue(id), cancellationToken: cancellationToken);
            if (session.Screen.AsJson)
                session.Screen.Json(task, TaskpipeJson.Readable.TaskDetail);
            else
                Print(session.Screen, task);
            return ExitCodes.Succeeded;
        }));
        return show;
    }

    private static void Print(Screen screen, TaskDetail task)
    {
        Field("task", task.TaskId);
        Field("type", task.Command is null ? task.Type : $"{task.Type} {task.Command}");
        Field("project", task.Project);
        Field("status", Paint.Of(task.Status, screen.OutHasColour));
        Field("reason", task.Reason);
        Field("exit code", task.ExitCode?.ToString());
        Field("signal", task.Signal);
        Field("error", task.Error is null ? null : Paint.Plain(task.Error));
        Field("result", task.Result?.ToString());
        Field("progress", task.Progress?.ToString());
        Field("params", task.Params.Count > 0 ? task.Params.ToJsonString(TaskpipeJson.Readable.Options) : null);
        Field("labels", task.Labels is null ? null : string.Join(", ", task.Labels.Select(label => $"{label.Key}={label.Value}")));
        Field("queue", task.QueuePosition is { } position ? position == 0 ? "next" : $"{position} before it" : null);
        Field("waits for", task.WaitsFor is { } holder ? holder.Until is { } until ? $"the key {holder.Key}, until {At(until)}: an attempt of {holder.TaskId} was lost" : $"{holder.TaskId}, which has the key {holder.Key}" : null);
        Field("submitted", At(task.SubmittedAt));
        Field("due", At(task.DueAt));
        Field("start by", At(task.StartBy));
        Field("deadline", At(task.Deadline));
        Field("ended", At(task.EndedAt));
        Field("exited", At(task.ExitedAt) is { } exited ? $"{exited}; the next worker decides what follows" : null);
        Field("stop", task.Stop is { } stop ? $"requested {At(stop.At)}{(stop.TooLate ? ", too late" : "")}{(stop.Reason is null ? "" : $": {Paint.Plain(stop.Reason)}")}" : null);
        Field("replay of", task.ReplayOf);
        Field("redrive of", task.RedriveOf);
        Field("replays", task.Replays is null ? null : string.Join(", ", task.Replays));
        foreach (var attempt in task.Attempts)
            Field($"attempt {attempt.Attempt}", TextOf(attempt));

        void Field(string name, string? value)
        {
            if (value is not null)
                screen.OutLine(Paint.Aside(name.PadRight(NameWidth), screen.OutHasColour) + " " + value.ReplaceLineEndings("\n" + new string(' ', NameWidth + 1)));
        }
    }

    private static string TextOf(TaskAttempt attempt)
    {
        var how = attempt.Signal ?? (attempt.ExitCode is { } code ? $"exit code {code}" : attempt.Reason ?? "running");
        return attempt.EndedAt is { } endedAt
            ? $"{how}, {attempt.Lines} lines, {Ages.Of(endedAt - attempt.StartedAt)} on {attempt.Worker}"
            : $"{how} on {attempt.Worker} since {At(attempt.StartedAt)}";
    }

    private static string? At(DateTimeOffset? time) => time?.LocalDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}

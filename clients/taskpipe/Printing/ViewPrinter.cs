using System.Globalization;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Prints the events of many tasks for a person, one line per event.</summary>
internal sealed class ViewPrinter(Screen screen)
{
    private const int StatusWidth = 13;

    public void Print(WatchEvent next)
    {
        switch (next)
        {
            case StateEvent state:
                Print(next, Paint.Of(state.Status, screen.OutHasColour, StatusWidth), EventText.Of(state));
                break;
            case ProgressEvent progress:
                var percent = progress.Percent is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known:0}%") : "";
                Print(next, Paint.Aside("progress".PadRight(StatusWidth), screen.OutHasColour), $"{percent} {progress.Step}");
                break;
            case EndEvent end:
                Print(next, Paint.Of(end.Status, screen.OutHasColour, StatusWidth), EventText.Of(end));
                break;
            case MissedEvent missed:
                screen.Say(Paint.Warning($"[{(missed.Count is { } count ? $"{count} events were" : "some events may have been")} missed; 'taskpipe ls' shows the current statuses]", screen.ErrorHasColour));
                break;
        }
    }

    private void Print(WatchEvent next, string what, string details) =>
        screen.OutLine($"{next.At?.LocalDateTime:HH:mm:ss} {next.TaskId} {what} {Paint.Plain(details.Trim().TrimStart(',').Trim())}".TrimEnd());
}

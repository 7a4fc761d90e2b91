using System.Globalization;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Shows to a person how many tasks come along, a line for each event.</summary>
internal sealed class ViewPrinter(Screen screen)
{
    private const int StatusWidth = 13;

    public void Print(WatchEvent told)
    {
        switch (told)
        {
            case StateEvent state:
                Print(told, Paint.Of(state.Status, screen.OutHasColour, StatusWidth), EventText.Of(state));
                break;
            case ProgressEvent progress:
                var percent = progress.Percent is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known:0}%") : "";
                Print(told, Paint.Aside("progress".PadRight(StatusWidth), screen.OutHasColour), $"{percent} {progress.Step}");
                break;
            case EndEvent end:
                Print(told, Paint.Of(end.Status, screen.OutHasColour, StatusWidth), EventText.Of(end));
                break;
            case MissedEvent missed:
                screen.Say(Paint.Warning($"[{(missed.Count is { } count ? $"{count} events were" : "some events may have been")} missed; 'taskpipe ls' shows how the tasks stand]", screen.ErrorHasColour));
                break;
        }
    }

    private void Print(WatchEvent told, string what, string details) =>
        screen.OutLine($"{told.At?.LocalDateTime:HH:mm:ss} {told.TaskId} {what} {Paint.Plain(details.Trim().TrimStart(',').Trim())}".TrimEnd());
}

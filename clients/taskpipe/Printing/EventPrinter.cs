using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Shows a watch to a person.</summary>
internal sealed class EventPrinter(Screen screen)
{
    private const int UsualWidth = 80;

    private readonly LinePrinter _lines = new(screen);

    public void Print(WatchEvent told)
    {
        switch (told)
        {
            case LinesEvent lines:
                foreach (var line in lines.Lines)
                    _lines.Print(line);
                break;
            case GapEvent gap:
                screen.Say(Aside($"[lines {gap.From} to {gap.To} of attempt {gap.Attempt} {(gap.Reason == GapEvent.NotKept ? "are no longer kept" : "are left out: more than the output limit")}]"));
                break;
            case StateEvent state:
                screen.Say(Told(state));
                break;
            case ProgressEvent progress:
                screen.SetFooter(ProgressBar.Of(progress, Width));
                break;
            case GroupEvent { Name: { } name }:
                screen.Say(Aside($"== {name}"));
                break;
            case WarningEvent { Message: { } message }:
                screen.Say(Paint.Warning($"warning: {message}", screen.ErrorHasColour));
                break;
            case ArtifactEvent { Name: { } name }:
                screen.Say(Aside($"artifact: {name}"));
                break;
            case InputEvent { Text: { } text } input:
                screen.Say(Aside(input.Refused ? $"> {text} (the agent takes no more input)" : $"> {text}"));
                break;
            case EmittedEvent emitted:
                screen.Say(Aside($"event: {emitted.Name} {emitted.Data}".TrimEnd()));
                break;
            case EndEvent end:
                screen.SetFooter("");
                screen.Say(Told(end));
                break;
        }
    }

    private static int Width => Console.WindowWidth is > 0 and var width ? width : UsualWidth;

    private string Told(StateEvent state)
    {
        var more = new List<string>();
        if (state.Attempt > 1)
            more.Add($"attempt {state.Attempt}");
        if (state.Worker is not null)
            more.Add($"on {state.Worker}");
        if (state.RequestedBy is not null)
            more.Add($"asked for by {state.RequestedBy}");
        if (state.Reason is not null)
            more.Add(state.Reason);
        if (state.DueAt is { } dueAt)
            more.Add($"until {dueAt.LocalDateTime:yyyy-MM-dd HH:mm:ss}");
        return Aside("-- ") + Paint.Of(state.Status, screen.ErrorHasColour) + Aside(more.Count > 0 ? $" ({string.Join(", ", more)})" : "");
    }

    private string Told(EndEvent end)
    {
        var how = end.Signal is { } signal ? $" by {signal}" : end.ExitCode is { } code ? $" with exit code {code}" : "";
        var why = end.Reason is null or "exit_code" ? "" : $", {end.Reason}";
        var proof = end.Verification switch
        {
            Verification.Verified => $", {end.Lines} lines, all verified",
            Verification.NotAllSeen => $", {end.Lines} lines",
            _ => "",
        };
        var error = end is { Error: { Length: > 0 } text, Status.Word: not "succeeded" } ? $": {Paint.Plain(text.Split('\n')[^1])}" : "";
        return Aside("-- ") + Paint.Of(end.Status, screen.ErrorHasColour) + Aside(how + why + proof + error);
    }

    private string Aside(string text) => Paint.Aside(text, screen.ErrorHasColour);
}

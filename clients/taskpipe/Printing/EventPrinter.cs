using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Prints the events of a watched task for a person.</summary>
internal sealed class EventPrinter(Screen screen)
{
    private const int UsualWidth = 80;

    private readonly LinePrinter _lines = new(screen);

    public void Print(WatchEvent watchEvent)
    {
        switch (watchEvent)
        {
            case LinesEvent lines:
                foreach (var line in lines.Lines)
                    _lines.Print(line);
                break;
            case GapEvent gap:
                screen.Say(Aside($"[lines {gap.From} to {gap.To} of attempt {gap.Attempt} {(gap.Reason == GapEvent.NotKept ? "are no longer kept" : "are left out: more than the output limit")}]"));
                break;
            case StateEvent state:
                screen.Say(TextOf(state));
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
                screen.Say(Aside(input.Refused ? $"> {text} (the agent accepts no more input)" : $"> {text}"));
                break;
            case EmittedEvent emitted:
                screen.Say(Aside($"event: {emitted.Name} {emitted.Data}".TrimEnd()));
                break;
            case EndEvent end:
                screen.SetFooter("");
                screen.Say(TextOf(end));
                break;
        }
    }

    private static int Width => Console.WindowWidth is > 0 and var width ? width : UsualWidth;

    private string TextOf(StateEvent state) => Aside("-- ") + Paint.Of(state.Status, screen.ErrorHasColour) + Aside(EventText.Of(state) is { Length: > 0 } details ? $" ({details})" : "");

    private string TextOf(EndEvent end)
    {
        var proof = end.Verification switch
        {
            Verification.Verified => $", {end.Lines} lines, all verified",
            Verification.NotAllSeen => $", {end.Lines} lines",
            _ => "",
        };
        return Aside("-- ") + Paint.Of(end.Status, screen.ErrorHasColour) + Aside(EventText.Of(end, proof));
    }

    private string Aside(string text) => Paint.Aside(text, screen.ErrorHasColour);
}

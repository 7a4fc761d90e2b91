using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Prints an agent's lines where the agent has printed them: stdout or stderr. What is not the agent's is told apart there.</summary>
internal sealed class LinePrinter(Screen screen)
{
    private const string ProgressWord = "::task:progress ";

    public void Print(OutputLine line)
    {
        if (screen is { HasFooter: true, OutIsTerminal: true } && line.Text.StartsWith(ProgressWord, StringComparison.Ordinal))
            return;   // a person sees it in the bar
        // Parts of a long line belong together, unless one begins by going back to overwrite what was shown, as progress bars do.
        var start = line is { Part: > 1, Text: ['\r', ..] } ? "\n" : "";
        var end = line.Last == false ? "" : "\n";
        switch (line.Stream)
        {
            case OutputStream.Stdout:
                screen.Out(start + Paint.OfAgent(line.Text, screen.OutHasColour) + end);
                break;
            case OutputStream.Stderr:
                screen.Error(start + Paint.Errors(Paint.OfAgent(line.Text, screen.ErrorHasColour), screen.ErrorHasColour) + end);
                break;
            default:
                screen.Error(start + Paint.Aside(line.Text, screen.ErrorHasColour) + end);
                break;
        }
    }
}

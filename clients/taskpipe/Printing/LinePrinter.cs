using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Prints an agent's lines where the agent has printed them: stdout or stderr. What is not the agent's is told apart there.</summary>
internal sealed class LinePrinter(Screen screen)
{
    private const string ProgressWord = "::task:progress ";

    private readonly HashSet<OutputStream> _open = [];   // those whose latest line is not over

    public void Print(OutputLine line)
    {
        if (screen is { HasFooter: true, OutIsTerminal: true } && line.Text.StartsWith(ProgressWord, StringComparison.Ordinal))
            return;   // a person sees it in the bar
        var isOut = line.Stream == OutputStream.Stdout;
        // An earlier attempt, or lines that are missing, may have left the row of this stream unfinished.
        if (line.Part is null or 1 && _open.Remove(line.Stream))
            Write("\n");
        if (line.Last == false)
            _open.Add(line.Stream);
        else
            _open.Remove(line.Stream);
        var text = isOut ? Paint.OfAgent(Row(line.Text, screen.OutIsTerminal && screen.CanErase), screen.OutHasColour)
            : line.Stream == OutputStream.Stderr ? Paint.Errors(Paint.OfAgent(Row(line.Text, screen.ErrorIsTerminal && screen.CanErase), screen.ErrorHasColour), screen.ErrorHasColour)
            : Paint.Aside(line.Text, screen.ErrorHasColour);
        Write(line.Last == false ? text : text + "\n");

        void Write(string more)
        {
            if (isOut)
                screen.Out(more);
            else
                screen.Error(more);
        }
    }

    /// <summary>On a terminal, what is written after a carriage return takes the place of all that stood in the row.</summary>
    private static string Row(string text, bool onTerminal) => onTerminal ? text.Replace("\r", "\r\e[K", StringComparison.Ordinal) : text;
}

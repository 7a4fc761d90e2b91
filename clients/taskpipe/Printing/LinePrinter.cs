using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Prints an agent's stdout to stdout and its stderr to stderr. System lines go to stderr in faint text.</summary>
internal sealed class LinePrinter(Screen screen)
{
    private const string ProgressWord = "::task:progress ";

    private readonly HashSet<OutputStream> _open = [];   // streams whose latest line is unfinished

    public void Print(OutputLine line)
    {
        if (screen is { HasFooter: true, OutIsTerminal: true } && line.Text.StartsWith(ProgressWord, StringComparison.Ordinal))
            return;   // the progress bar shows it
        var isOut = line.Stream == OutputStream.Stdout;
        // An earlier attempt or a gap can have left the row of this stream unfinished.
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

    /// <summary>On a terminal, text after a carriage return replaces the whole row.</summary>
    private static string Row(string text, bool onTerminal) => onTerminal ? text.Replace("\r", "\r\e[K", StringComparison.Ordinal) : text;
}

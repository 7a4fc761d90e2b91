using System.Text.RegularExpressions;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>How a row of text ends.</summary>
internal enum RowEnd
{
    /// <summary>The next step continues it.</summary>
    None,

    /// <summary>The row is the line, or the rest of it.</summary>
    Line,

    /// <summary>Something else comes first; the rest of the line follows in its own row.</summary>
    Part,

    /// <summary>The agent has returned to the left margin: the next row replaces this one.</summary>
    Overwritten,
}

/// <summary>The next text to send: more of the current row, and how the row ends.</summary>
/// <param name="Place">The place after it.</param>
internal readonly record struct TextStep(string Text, bool Begins, RowEnd End, Cursor Place);

/// <summary>
/// Joins the parts of lines for watchers of plain text. A part is shown at once, because somebody may wait for it. Its row ends with the line, or
/// earlier if something else comes in between.
/// </summary>
internal sealed partial class TextRows
{
    private readonly Dictionary<OutputStream, Rest> _rests = [];
    private OutputStream? _open;   // the stream of the current row
    private Cursor _place;         // the place after what the row has so far

    /// <summary>Whether a row has begun and not ended.</summary>
    public bool IsOpen => _open is not null;

    public IEnumerable<TextStep> Take(TextPiece piece)
    {
        if (IsOpen && (_open != piece.Stream || piece.IsFirst))
            yield return Close(RowEnd.Part);
        var rest = piece.IsFirst ? default : _rests.GetValueOrDefault(piece.Stream);
        var text = rest.Escape + piece.Text;
        var escape = piece.IsLast ? "" : Unfinished().Match(text).Value;
        text = PlainText.WithoutEscapes(text[..^escape.Length]);
        var goesBack = rest.GoesBack || text.TrimEnd('\r').Contains('\r', StringComparison.Ordinal);
        var shown = PlainText.Visible(text);
        if (piece.IsLast)
            _rests.Remove(piece.Stream);
        else
            _rests[piece.Stream] = new Rest(escape, shown.Length == 0 ? goesBack || text.Length > 0 : text.EndsWith('\r'));
        if (IsOpen && goesBack && shown.Length > 0)
            yield return Close(RowEnd.Overwritten);
        if (shown.Length == 0 && !piece.IsLast && !IsOpen)
            yield break;
        var begins = !IsOpen;
        (_open, _place) = (piece.IsLast ? null : piece.Stream, piece.Place);
        yield return new TextStep(shown, begins, piece.IsLast ? RowEnd.Line : RowEnd.None, piece.Place);
    }

    /// <summary>Ends the current row because nothing arrives for a while; null: there is no row.</summary>
    public TextStep? Pause() => IsOpen ? Close(RowEnd.Part) : null;

    private TextStep Close(RowEnd end)
    {
        _open = null;
        return new TextStep("", Begins: false, end, _place);
    }

    // The start of a colour sequence that was cut in two.
    [GeneratedRegex(@"(?:\x1b(?:\[[0-9;:]*)?)?\z")]
    private static partial Regex Unfinished();

    /// <summary>State of an unfinished line: the start of an escape, and whether the next text starts at the left margin.</summary>
    private readonly record struct Rest(string Escape, bool GoesBack);
}

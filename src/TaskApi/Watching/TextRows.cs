using System.Text.RegularExpressions;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>How a row of text is over.</summary>
internal enum RowEnd
{
    /// <summary>It goes on with the next step.</summary>
    None,

    /// <summary>It is the line, or the rest of it.</summary>
    Line,

    /// <summary>Something else comes first; the rest of the line follows in a row of its own.</summary>
    Part,

    /// <summary>The agent has gone back to the left: what follows is in its place.</summary>
    Overwritten,
}

/// <summary>What to send next: more of the present row, and what becomes of it.</summary>
/// <param name="Place">Behind it.</param>
internal readonly record struct TextStep(string Text, bool Begins, RowEnd End, Cursor Place);

/// <summary>
/// Puts the parts of lines together again for those who watch in plain text. A part is shown at once, since somebody may wait for it; its row ends
/// with the line, or before, where something else comes between.
/// </summary>
internal sealed partial class TextRows
{
    private readonly Dictionary<OutputStream, Rest> _rests = [];
    private OutputStream? _open;   // whose line the present row is
    private Cursor _place;         // behind what it has so far

    /// <summary>A row has begun and is not over.</summary>
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

    /// <summary>Nothing comes for a while; null: there is no row.</summary>
    public TextStep? Pause() => IsOpen ? Close(RowEnd.Part) : null;

    private TextStep Close(RowEnd end)
    {
        _open = null;
        return new TextStep("", Begins: false, end, _place);
    }

    // A colour that was cut in two.
    [GeneratedRegex(@"(?:\x1b(?:\[[0-9;:]*)?)?\z")]
    private static partial Regex Unfinished();

    /// <summary>Of a line that goes on: the beginning of an escape, and whether what comes stands at the left again.</summary>
    private readonly record struct Rest(string Escape, bool GoesBack);
}

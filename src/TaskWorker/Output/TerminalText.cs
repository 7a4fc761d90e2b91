using System.Text;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Removes terminal controls from lines: NUL, and escape sequences except colours (SGR). A line can come in pieces, with a sequence cut anywhere; a
/// sequence that the line's end cuts is dropped.
/// </summary>
internal sealed class TerminalText
{
    private const char Escape = '\u001b';
    private const char Bell = '\u0007';
    private const int LongestColour = 128;

    private enum Place
    {
        Text,
        Escape,         // after ESC
        Intermediate,   // after ESC and characters such as ( or #
        Sequence,       // CSI: ESC [ and its parameters
        Command,        // OSC, DCS and similar, up to BEL or ESC \
    }

    private readonly StringBuilder _clean = new();
    private readonly StringBuilder _sequence = new();
    private Place _place;

    /// <summary>The cleaned text of a piece of a line.</summary>
    public string Of(string piece)
    {
        if (_place == Place.Text && !piece.AsSpan().ContainsAny(Escape, '\0'))
            return piece;
        _clean.Clear();
        foreach (var character in piece)
            Take(character);
        return _clean.ToString();
    }

    public void EndLine() => _place = Place.Text;

    private void Take(char next)
    {
        if (next == Escape)
        {
            _place = Place.Escape;
            return;
        }
        switch (_place)
        {
            case Place.Escape when next == '[':
                _place = Place.Sequence;
                _sequence.Clear();
                return;
            case Place.Escape when next is ']' or 'P' or '_' or '^' or 'X':
                _place = Place.Command;
                return;
            case Place.Escape or Place.Intermediate when next is >= ' ' and <= '/':
                _place = Place.Intermediate;
                return;
            case Place.Escape or Place.Intermediate when next is >= '0' and <= '~':
                _place = Place.Text;
                return;
            case Place.Sequence when next is >= ' ' and <= '?':
                if (_sequence.Length < LongestColour)
                    _sequence.Append(next);
                return;
            case Place.Sequence when next is >= '@' and <= '~':
                _place = Place.Text;
                if (next == 'm' && IsColour())
                    _clean.Append(Escape).Append('[').Append(_sequence).Append('m');
                return;
            case Place.Command:
                if (next == Bell)
                    _place = Place.Text;
                return;
            default:
                _place = Place.Text;
                if (next != '\0')
                    _clean.Append(next);
                return;
        }
    }

    private bool IsColour()
    {
        if (_sequence.Length == LongestColour)
            return false;
        for (var i = 0; i < _sequence.Length; i++)
            if (_sequence[i] is not (>= '0' and <= ';'))
                return false;
        return true;
    }
}

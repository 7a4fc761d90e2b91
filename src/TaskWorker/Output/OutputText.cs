using System.Text;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Makes the published text of one stream: UTF-8 with replacement characters, without terminal controls, with secrets masked. A line of more than
/// <see cref="LineSplitter.PartBytes"/>, or an unfinished one, comes in parts.
/// </summary>
internal sealed class OutputText(SecretForms secrets, Action<TextPart> emit)
{
    private readonly TerminalText _terminal = new();
    private readonly SecretMask _mask = new(secrets);
    private int _part;   // parts of the current line that were emitted
    private int _size;   // bytes that were read but not emitted

    public void Take(LinePiece piece)
    {
        _size += piece.Bytes.Length;
        var text = _mask.Of(_terminal.Of(Encoding.UTF8.GetString(piece.Bytes)), piece.IsEnd);
        if (piece.IsEnd)
            EndLine(text, piece.Cut, piece.State);
        else if (text.Length > 0)
            Give(text, last: false);
    }

    /// <summary>The stream has ended.</summary>
    public void Complete()
    {
        if (_mask.HasHeld || _part > 0)
            EndLine(_mask.Of("", isWhole: true), 0, []);
    }

    private void EndLine(string text, long cut, ReadOnlySpan<byte> state)
    {
        _terminal.EndLine();
        _size++;
        Give(text, last: cut == 0 && state.IsEmpty);
        if (cut > 0)
            Emit($"[{cut} more bytes of this line are left out]", last: state.IsEmpty, cut);
        if (state.IsEmpty)
            return;
        Give("\r" + _mask.Of(_terminal.Of(Encoding.UTF8.GetString(state)), isWhole: true), last: true);
        _terminal.EndLine();
    }

    private void Give(string text, bool last)
    {
        var rest = text.AsSpan();
        while (rest.Length > LineSplitter.PartBytes / 3 && Encoding.UTF8.GetByteCount(rest) > LineSplitter.PartBytes)
        {
            var length = LineSplitter.PartBytes / 3;   // so many characters always fit
            if (char.IsHighSurrogate(rest[length - 1]))
                length--;
            Emit(rest[..length].ToString(), last: false);
            rest = rest[length..];
        }
        Emit(rest.Length == text.Length ? text : rest.ToString(), last);
    }

    private void Emit(string text, bool last, long? cut = null)
    {
        var isWholeLine = last && _part == 0;
        emit(new TextPart(text, isWholeLine ? null : ++_part, isWholeLine ? null : last, cut, _size));
        _size = 0;
        if (last)
            _part = 0;
    }
}

/// <param name="Part">From 1, if the line comes in several parts.</param>
/// <param name="Last">Whether this part ends the line, if it comes in several.</param>
/// <param name="Cut">Bytes of the line that are left out.</param>
/// <param name="Size">Bytes that the agent printed for it.</param>
internal readonly record struct TextPart(string Text, int? Part, bool? Last, long? Cut, int Size);

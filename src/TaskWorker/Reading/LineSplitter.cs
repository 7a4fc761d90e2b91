using System.Buffers;
using System.Text;

namespace TaskPipeline.TaskWorker.Reading;

/// <summary>
/// Cuts a stream of bytes into lines with bounded memory: a line longer than <see cref="PartBytes"/> comes in pieces, and of one longer than
/// <see cref="MostLineBytes"/> the rest is left out. It splits bytes, so no encoding is ever guessed, and a cut never falls inside a character or
/// between CR and LF.
/// </summary>
internal sealed class LineSplitter(Action<LinePiece> emit)
{
    public const int PartBytes = 64 * 1024;
    public const int MostLineBytes = 16 * 1024 * 1024;

    private readonly byte[] _pending = new byte[PartBytes];
    private int _length;
    private int _lineBytes;   // of the present line, as far as it is handed on
    private long _lineCut;    // and what is left out of it

    /// <summary>Something was read that no line end has followed yet.</summary>
    public bool HasPartial => _length > 0;

    /// <summary>How many bytes were left out of all lines so far.</summary>
    public long Cut { get; private set; }

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var line = end < 0 ? bytes : bytes[..end];
            if (end >= 0 && _lineBytes == 0 && line.Length <= PartBytes)
                emit(new LinePiece(WithoutReturn(line), LineEnd.Ended));
            else
                Append(line);
            if (end < 0)
                return;
            if (_lineBytes > 0 || line.Length > PartBytes)
                EndLine();
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>Gives out what has come of the present line, such as a prompt. What follows of it is a line of its own.</summary>
    public void FlushPartial()
    {
        var whole = WholeCharacters();
        if (whole == 0)
            return;
        Emit(whole, LineEnd.Flushed);
        _lineBytes = _length;
    }

    /// <summary>The stream has ended.</summary>
    public void Complete()
    {
        if (_lineBytes > 0)
            EndLine();
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        var room = MostLineBytes - _lineBytes;
        if (bytes.Length > room)
        {
            _lineCut += bytes.Length - room;
            Cut += bytes.Length - room;
            bytes = bytes[..room];
        }
        _lineBytes += bytes.Length;
        while (!bytes.IsEmpty)
        {
            if (_length == PartBytes)
                Emit(WholeCharacters(), LineEnd.Open);
            var taken = Math.Min(bytes.Length, PartBytes - _length);
            bytes[..taken].CopyTo(_pending.AsSpan(_length));
            _length += taken;
            bytes = bytes[taken..];
        }
    }

    private void EndLine()
    {
        emit(new LinePiece(WithoutReturn(_pending.AsSpan(0, _length)), LineEnd.Ended, _lineCut));
        (_length, _lineBytes, _lineCut) = (0, 0, 0);
    }

    private void Emit(int length, LineEnd end)
    {
        emit(new LinePiece(_pending.AsSpan(0, length), end));
        _pending.AsSpan(length, _length - length).CopyTo(_pending);
        _length -= length;
    }

    /// <summary>CR LF ends a line too.</summary>
    private static ReadOnlySpan<byte> WithoutReturn(ReadOnlySpan<byte> line) => line is [.. var text, (byte)'\r'] ? text : line;

    /// <summary>How much of what is pending ends with a whole character that is no CR. Bytes that are no UTF-8 at all count as whole.</summary>
    private int WholeCharacters()
    {
        if (_length > 0 && _pending[_length - 1] == '\r')
            return _length - 1;
        var lead = _length - 1;
        while (lead > 0 && lead > _length - 4 && (_pending[lead] & 0xC0) == 0x80)
            lead--;
        return lead >= 0 && Rune.DecodeFromUtf8(_pending.AsSpan(lead, _length - lead), out _, out _) == OperationStatus.NeedMoreData ? lead : _length;
    }
}

internal enum LineEnd
{
    /// <summary>The line goes on.</summary>
    Open,

    /// <summary>It may go on, and is not waited for.</summary>
    Flushed,

    Ended,
}

/// <param name="Cut">How many bytes are left out behind this one, which ends the line.</param>
internal readonly ref struct LinePiece(ReadOnlySpan<byte> bytes, LineEnd end, long cut = 0)
{
    public ReadOnlySpan<byte> Bytes { get; } = bytes;
    public LineEnd End { get; } = end;
    public long Cut { get; } = cut;
}

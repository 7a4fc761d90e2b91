using System.Buffers;
using System.Text;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Cuts a stream of bytes into lines with bounded memory. A line longer than <see cref="PartBytes"/> comes in pieces. Of a line longer than <see
/// cref="MostLineBytes"/> the rest is left out, except for the text after the last CR. It splits bytes, so it needs no encoding, and never cuts
/// inside a character or between CR and LF.
/// </summary>
internal sealed class LineSplitter(Action<LinePiece> emit)
{
    public const int PartBytes = 32 * 1024;   // strings and records of this size stay out of the large object heap
    public const int MostLineBytes = 16 * 1024 * 1024;

    private readonly byte[] _pending = new byte[PartBytes];
    private int _length;
    private int _lineBytes;   // bytes of the current line that were not left out
    private long _lineCut;    // bytes of it that were left out
    private bool _hasBegun;   // part of it was already emitted
    private byte[] _state = [];    // of the omitted bytes: what follows the last CR, if that fits into a part
    private int _stateLength;
    private bool _hasState;
    private bool _returns;         // the last byte was a CR: what follows overwrites the state

    /// <summary>Whether bytes were read that no line end has followed yet.</summary>
    public bool HasPartial => _length > 0;

    /// <summary>Bytes left out of all lines so far.</summary>
    public long Cut { get; private set; }

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var line = end < 0 ? bytes : bytes[..end];
            if (end >= 0 && _lineBytes == 0 && !_hasBegun && line.Length <= PartBytes)
                emit(new LinePiece(WithoutReturn(line), isEnd: true));
            else
                Append(line);
            if (end < 0)
                return;
            if (_lineBytes > 0 || _hasBegun)
                EndLine();
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>Emits what was read of the current line, such as a prompt.</summary>
    public void FlushPartial()
    {
        var whole = WholeCharacters();
        if (whole == 0)
            return;
        Emit(whole);
        (_lineBytes, _hasBegun) = (_length, true);
    }

    /// <summary>The stream has ended.</summary>
    public void Complete()
    {
        if (_lineBytes > 0 || _hasBegun)
            EndLine();
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        var room = MostLineBytes - _lineBytes;
        if (bytes.Length > room)
        {
            _lineCut += bytes.Length - room;
            Cut += bytes.Length - room;
            WriteOver(bytes[room..]);
            bytes = bytes[..room];
        }
        _lineBytes += bytes.Length;
        while (!bytes.IsEmpty)
        {
            if (_length == PartBytes)
                Emit(WholeCharacters());
            var taken = Math.Min(bytes.Length, PartBytes - _length);
            bytes[..taken].CopyTo(_pending.AsSpan(_length));
            _length += taken;
            bytes = bytes[taken..];
        }
    }

    private void EndLine()
    {
        var kept = _hasState ? _stateLength + 1 : 0;   // including its CR
        emit(new LinePiece(WithoutReturn(_pending.AsSpan(0, _length)), isEnd: true, _lineCut - kept, _state.AsSpan(0, _hasState ? _stateLength : 0)));
        (_length, _lineBytes, _lineCut, _hasBegun) = (0, 0, 0, false);
        (_stateLength, _hasState, _returns) = (0, false, false);
    }

    private void WriteOver(ReadOnlySpan<byte> bytes)
    {
        var text = bytes.TrimEnd((byte)'\r');
        var at = text.LastIndexOf((byte)'\r');
        if (!text.IsEmpty && (at >= 0 || _returns))
            (_hasState, _stateLength) = (true, 0);
        _returns = text.IsEmpty ? _returns || !bytes.IsEmpty : text.Length < bytes.Length;
        text = text[(at + 1)..];
        _hasState &= _stateLength + text.Length <= PartBytes;   // longer text is not a progress display
        if (!_hasState)
            return;
        if (_state.Length == 0)
            _state = new byte[PartBytes];
        text.CopyTo(_state.AsSpan(_stateLength));
        _stateLength += text.Length;
    }

    private void Emit(int length)
    {
        emit(new LinePiece(_pending.AsSpan(0, length), isEnd: false));
        _pending.AsSpan(length, _length - length).CopyTo(_pending);
        _length -= length;
    }

    /// <summary>CR LF also ends a line.</summary>
    private static ReadOnlySpan<byte> WithoutReturn(ReadOnlySpan<byte> line) => line is [.. var text, (byte)'\r'] ? text : line;

    /// <summary>Number of pending bytes up to the last whole character that is not a CR. Bytes that are not UTF-8 count as whole.</summary>
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

internal readonly ref struct LinePiece(ReadOnlySpan<byte> bytes, bool isEnd, long cut = 0, ReadOnlySpan<byte> state = default)
{
    public ReadOnlySpan<byte> Bytes { get; } = bytes;

    /// <summary>The line ends with this piece.</summary>
    public bool IsEnd { get; } = isEnd;

    /// <summary>Bytes of the line that are left out after this piece.</summary>
    public long Cut { get; } = cut;

    /// <summary>The last overwritten state of the line within the omitted bytes, if there is one.</summary>
    public ReadOnlySpan<byte> State { get; } = state;
}

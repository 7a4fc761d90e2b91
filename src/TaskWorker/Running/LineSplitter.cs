using System.Text;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>
/// Cuts a stream of bytes into lines with bounded memory: a line longer than <see cref="PartBytes"/> comes in parts.
/// It splits bytes and decodes afterwards, so no encoding is ever guessed and a cut never falls inside a character.
/// </summary>
internal sealed class LineSplitter(Action<LinePart> emit)
{
    public const int PartBytes = 64 * 1024;

    private readonly byte[] _pending = new byte[PartBytes];
    private int _length;
    private int _part;   // parts of the present line that were emitted already

    /// <summary>Something was read that no line end has followed yet.</summary>
    public bool HasPartial => _length > 0;

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var line = end < 0 ? bytes : bytes[..end];
            Append(line);
            if (end < 0)
                return;
            EmitLine();
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>Gives out what has come of the present line, such as a prompt. What follows of it is a line of its own.</summary>
    public void FlushPartial()
    {
        var whole = WholeCharacters();
        if (whole == 0)
            return;
        EmitPart(whole, last: true);
        _part = 0;
    }

    /// <summary>The stream has ended.</summary>
    public void Complete()
    {
        if (_length > 0 || _part > 0)
            EmitLine();
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_length == PartBytes)
                EmitPart(WholeCharacters(), last: false);
            var taken = Math.Min(bytes.Length, PartBytes - _length);
            bytes[..taken].CopyTo(_pending.AsSpan(_length));
            _length += taken;
            bytes = bytes[taken..];
        }
    }

    private void EmitLine()
    {
        var length = _length > 0 && _pending[_length - 1] == '\r' ? _length - 1 : _length;   // CR LF ends a line too
        emit(new LinePart(_pending.AsSpan(0, length), _part == 0 ? null : _part + 1, _part == 0 ? null : true));
        _length = 0;
        _part = 0;
    }

    private void EmitPart(int length, bool last)
    {
        var isWholeLine = last && _part == 0;
        emit(new LinePart(_pending.AsSpan(0, length), isWholeLine ? null : ++_part, isWholeLine ? null : last));
        _pending.AsSpan(length, _length - length).CopyTo(_pending);
        _length -= length;
    }

    /// <summary>How much of what is pending ends with a whole character. Bytes that are no UTF-8 at all count as whole.</summary>
    private int WholeCharacters()
    {
        var lead = _length - 1;
        while (lead > 0 && lead > _length - 4 && (_pending[lead] & 0xC0) == 0x80)
            lead--;
        return lead >= 0 && Rune.DecodeFromUtf8(_pending.AsSpan(lead, _length - lead), out _, out _) == System.Buffers.OperationStatus.NeedMoreData
            && lead > 0 ? lead : _length;
    }
}

/// <param name="Part">From 1, where the line comes in several parts.</param>
/// <param name="Last">Whether this part ends the line, where it comes in several.</param>
internal readonly ref struct LinePart(ReadOnlySpan<byte> bytes, int? part, bool? last)
{
    public ReadOnlySpan<byte> Bytes { get; } = bytes;
    public int? Part { get; } = part;
    public bool? Last { get; } = last;
}

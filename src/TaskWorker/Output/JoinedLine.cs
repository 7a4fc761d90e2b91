using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>Puts the parts of a line together again, for who reads it as a whole.</summary>
/// <param name="mostBytes">Of UTF-8; of a longer line there is only the beginning.</param>
internal sealed class JoinedLine(int mostBytes)
{
    private readonly StringBuilder _text = new();
    private int _bytes;
    private int _parts;
    private bool _isWhole;

    /// <summary>The line, once its last part is there; else null.</summary>
    /// <param name="isWhole">Whether that is all of it: it is not too long, and no part is missing.</param>
    public string? Take(OutputLine line, out bool isWhole)
    {
        isWhole = true;
        if (line.Part is not { } part)
            return line.Text;
        if (part == 1)
            Begin();
        _isWhole &= part == ++_parts && line.Cut is null && (_bytes += Encoding.UTF8.GetByteCount(line.Text)) <= mostBytes;
        if (_isWhole)
            _text.Append(line.Text);
        if (line.Last != true)
            return null;
        isWhole = _isWhole;
        var text = _text.ToString();
        Begin();
        return text;
    }

    private void Begin()
    {
        _text.Clear();
        (_bytes, _parts, _isWhole) = (0, 0, true);
    }
}

using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>Joins the parts of a line, for readers of whole lines.</summary>
/// <param name="mostBytes">Most bytes of UTF-8; only the beginning of a longer line is kept.</param>
internal sealed class JoinedLine(int mostBytes)
{
    private readonly StringBuilder _text = new();
    private int _bytes;
    private int _parts;
    private bool _isWhole;

    /// <summary>The line, once its last part has arrived; otherwise null.</summary>
    /// <param name="isWhole">Whether the line is complete: not too long, and no part missing.</param>
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

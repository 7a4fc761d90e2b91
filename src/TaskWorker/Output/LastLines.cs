using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// The last few lines of an output for people, in bounded memory. Parts are joined; of a line that was overwritten (<c>\r</c>) only the last state
/// counts; empty lines are skipped.
/// </summary>
internal sealed class LastLines(int mostLines, int mostCharacters)
{
    private readonly Queue<string> _lines = [];
    private readonly StringBuilder _line = new();   // the current line so far
    private int _characters;
    private bool _beginsAgain;

    public void Add(OutputLine line)
    {
        if (line.Part is null)
        {
            Enqueue(LastState(line.Text));
            return;
        }
        if (_beginsAgain || line.Part == 1)
            _line.Clear();
        var text = line.Text.AsSpan().TrimEnd('\r');
        var at = text.LastIndexOf('\r');
        if (at >= 0)
            _line.Clear();
        _line.Append(text[(at + 1)..]);
        _beginsAgain = text.Length < line.Text.Length;
        if (_line.Length > mostCharacters * 2)
            _line.Remove(0, _line.Length - mostCharacters - 1);   // one more than is kept, to see at the end whether the cut is inside a surrogate pair
        if (line.Last != true)
            return;
        Enqueue(_line.ToString());
        _line.Clear();
        _beginsAgain = false;
    }

    public override string ToString() => string.Join('\n', _lines);

    private static ReadOnlySpan<char> LastState(string line)
    {
        var text = line.AsSpan().TrimEnd('\r');
        return text[(text.LastIndexOf('\r') + 1)..];
    }

    private void Enqueue(ReadOnlySpan<char> line)
    {
        if (line.IsWhiteSpace())
            return;
        if (line.Length > mostCharacters)
            line = line[(char.IsLowSurrogate(line[^mostCharacters]) ? ^(mostCharacters - 1) : ^mostCharacters)..];
        _lines.Enqueue(line.ToString());
        _characters += line.Length;
        while (_lines.Count > mostLines || _characters > mostCharacters)
            _characters -= _lines.Dequeue().Length;
    }
}

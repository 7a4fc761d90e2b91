using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>Consecutive lines of one attempt.</summary>
/// <param name="lines">The inside of a JSON array, without its brackets.</param>
internal sealed class LinesEvent(string taskId, Cursor cursor, ReadOnlyMemory<byte> lines) : WatchEvent(taskId, cursor)
{
    private byte[]? _json;
    private OutputLine[]? _lines;

    /// <summary>Index of its first item in the <see cref="BlockContent"/> that it was read from.</summary>
    public int FirstItem { get; init; } = -1;

    public IReadOnlyList<OutputLine> Lines => _lines ??= LineBatch.Parse(lines.Span);

    public override ReadOnlyMemory<byte> Json
    {
        get
        {
            var json = Volatile.Read(ref _json);
            if (json is null)
                Volatile.Write(ref _json, json = Encode());
            return json;
        }
    }

    public override IEnumerable<TextPiece> PlainText =>
        Lines.Select(line => new TextPiece(Cursor with { Seq = line.Seq }, line.Text, line.Stream, line.Part is null or 1, line.Last != false));

    /// <summary>The lines after <paramref name="seq"/>; null if there are none.</summary>
    public LinesEvent? After(long seq) => Where(line => line.Seq > seq);

    /// <summary>The lines of some streams; null if there are none.</summary>
    public LinesEvent? Of(StreamFilter filter) => filter.PassesAll ? this : Where(line => filter.Passes(line.Stream));

    private LinesEvent? Where(Func<OutputLine, bool> isWanted)
    {
        OutputLine[] wanted = [.. Lines.Where(isWanted)];
        return wanted.Length == Lines.Count ? this
            : wanted.Length == 0 ? null
            : new LinesEvent(TaskId, Cursor, LineBatch.Of(wanted).Json);
    }

    /// <summary>Written by hand, because most events are lines, and their bytes exist already.</summary>
    private byte[] Encode()
    {
        var head = string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $$"""{"v":1,"type":"lines","task_id":"{{TaskId}}","cursor":"{{Cursor}}","attempt":{{Cursor.Attempt}},"lines":[""");
        var json = new byte[head.Length + lines.Length + 2];   // ids and cursors are ASCII
        Encoding.ASCII.GetBytes(head, json);
        lines.Span.CopyTo(json.AsSpan(head.Length));
        "]}"u8.CopyTo(json.AsSpan(json.Length - 2));
        return json;
    }
}

/// <summary>The streams that a watcher wants; an empty mask means all.</summary>
internal readonly record struct StreamFilter(int Mask)
{
    public static bool TryParse(string? text, out StreamFilter filter)
    {
        var mask = 0;
        filter = default;
        foreach (var word in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!Enum.TryParse<OutputStream>(word, ignoreCase: true, out var stream) || !Enum.IsDefined(stream))
                return false;
            mask |= 1 << (int)stream;
        }
        filter = new StreamFilter(mask);
        return true;
    }

    public bool PassesAll => Mask == 0;

    public bool Passes(OutputStream stream) => Mask == 0 || (Mask & (1 << (int)stream)) != 0;
}

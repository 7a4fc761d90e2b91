using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>Lines of one attempt in a row.</summary>
/// <param name="lines">As a JSON array has them between its brackets.</param>
internal sealed class LinesEvent(string taskId, Cursor cursor, ReadOnlyMemory<byte> lines) : WatchEvent(taskId, cursor)
{
    private byte[]? _json;
    private OutputLine[]? _lines;

    /// <summary>Of the content that it was read from, where it begins there.</summary>
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

    /// <summary>The part behind a line; null: nothing is left.</summary>
    public LinesEvent? After(long seq) => Where(line => line.Seq > seq);

    /// <summary>The part of some streams; null: nothing is left.</summary>
    public LinesEvent? Of(StreamFilter filter) => filter.PassesAll ? this : Where(line => filter.Passes(line.Stream));

    private LinesEvent? Where(Func<OutputLine, bool> isWanted)
    {
        OutputLine[] wanted = [.. Lines.Where(isWanted)];
        return wanted.Length == Lines.Count ? this
            : wanted.Length == 0 ? null
            : new LinesEvent(TaskId, Cursor, LineBatch.Of(wanted).Json);
    }

    /// <summary>By hand: of all events these are the many, and their bytes are there.</summary>
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

/// <summary>The streams a watcher wants; none named: all.</summary>
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

using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>Lines of one attempt in a row: what one record of the log holds, or a part of it.</summary>
internal sealed class LinesEvent(string taskId, Cursor cursor, IReadOnlyList<OutputLine> lines) : WatchEvent(taskId, "lines", cursor)
{
    private int _itemsFrom;

    public IReadOnlyList<OutputLine> Lines => lines;

    public override IEnumerable<(Cursor, string)> PlainText =>
        lines.Select(line => (Cursor with { Seq = line.Seq }, Watching.PlainText.Of(line.Text)));

    /// <summary>The part behind a line; null: nothing is left.</summary>
    public LinesEvent? After(long seq) =>
        lines[0].Seq > seq ? this
        : lines[^1].Seq <= seq ? null
        : new LinesEvent(TaskId, Cursor, [.. lines.Where(line => line.Seq > seq)]);

    /// <summary>The part of some streams; null: nothing is left.</summary>
    public LinesEvent? Of(StreamFilter filter)
    {
        if (lines.All(line => filter.Passes(line.Stream)))
            return this;
        OutputLine[] passing = [.. lines.Where(line => filter.Passes(line.Stream))];
        return passing.Length == 0 ? null : new LinesEvent(TaskId, Cursor, passing);
    }

    /// <summary>The encoded lines without their brackets.</summary>
    public ReadOnlyMemory<byte> EncodedLines => Json[_itemsFrom..^2];

    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteNumber("attempt"u8, Cursor.Attempt);
        writer.WriteStartArray("lines"u8);
        _itemsFrom = (int)(writer.BytesCommitted + writer.BytesPending);
        foreach (var line in lines)
            JsonSerializer.Serialize(writer, line, TaskJson.Wire.OutputLine);
        writer.WriteEndArray();
    }
}

/// <summary>Records of the log that lie behind each other, sent as one: who replays has many of them at hand. Made of bytes that are encoded already.</summary>
internal sealed class MergedLines(IReadOnlyList<LinesEvent> parts) : WatchEvent(parts[0].TaskId, "lines", parts[^1].Cursor)
{
    public override IEnumerable<(Cursor, string)> PlainText => parts.SelectMany(part => part.PlainText);

    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteNumber("attempt"u8, Cursor.Attempt);
        writer.WritePropertyName("lines"u8);
        var array = new byte[parts.Sum(part => part.EncodedLines.Length) + parts.Count + 1];
        var length = 0;
        foreach (var part in parts)
        {
            array[length++] = length == 1 ? (byte)'[' : (byte)',';
            part.EncodedLines.CopyTo(array.AsMemory(length));
            length += part.EncodedLines.Length;
        }
        array[length] = (byte)']';
        writer.WriteRawValue(array, skipInputValidation: true);
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

    public bool Passes(OutputStream stream) => Mask == 0 || (Mask & (1 << (int)stream)) != 0;
}

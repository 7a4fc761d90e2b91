using System.Collections;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>Consecutive lines of one attempt. Lines from Kafka stay JSON, so that readers that only pass them on need not parse them.</summary>
[JsonConverter(typeof(LineBatchJson))]
[CollectionBuilder(typeof(LineBatch), nameof(Of))]
public sealed class LineBatch : IReadOnlyList<OutputLine>
{
    private ReadOnlyMemory<byte> _json;
    private OutputLine[]? _lines;

    private LineBatch(OutputLine[] lines) =>
        (_lines, Count, First, Last) = (lines, lines.Length, lines is [var first, ..] ? first.Seq : 0, lines is [.., var last] ? last.Seq : 0);

    /// <param name="json">The inside of the array, without its brackets; already checked.</param>
    internal LineBatch(ReadOnlyMemory<byte> json, int count, long first, long last) => (_json, Count, First, Last) = (json, count, first, last);

    public int Count { get; }

    /// <summary><see cref="OutputLine.Seq"/> of the first line; 0 if there is none.</summary>
    public long First { get; }

    /// <summary><see cref="OutputLine.Seq"/> of the last line; 0 if there is none.</summary>
    public long Last { get; }

    /// <summary>The lines as the inside of a JSON array, without its brackets.</summary>
    public ReadOnlyMemory<byte> Json
    {
        get
        {
            if (_json.IsEmpty && Count > 0)
                _json = JsonSerializer.SerializeToUtf8Bytes(_lines!, TaskJson.Wire.OutputLineArray).AsMemory()[1..^1];
            return _json;
        }
    }

    public OutputLine this[int index] => Lines[index];

    private OutputLine[] Lines => _lines ??= Parse(_json.Span);

    public static LineBatch Of(ReadOnlySpan<OutputLine> lines) => new(lines.ToArray());

    /// <summary>Lines from <see cref="Json"/>.</summary>
    public static OutputLine[] Parse(ReadOnlySpan<byte> json)
    {
        var array = new byte[json.Length + 2];
        array[0] = (byte)'[';
        json.CopyTo(array.AsSpan(1));
        array[^1] = (byte)']';
        return JsonSerializer.Deserialize(array, TaskJson.Wire.OutputLineArray)!;
    }

    /// <summary>The lines after a line.</summary>
    public LineBatch After(long seq) => seq < First ? this : new LineBatch([.. Lines.Where(line => line.Seq > seq)]);

    public IEnumerator<OutputLine> GetEnumerator() => ((IEnumerable<OutputLine>)Lines).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal sealed class LineBatchJson : JsonConverter<LineBatch>
{
    public override LineBatch Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var lines = JsonSerializer.Deserialize(ref reader, TaskJson.Wire.OutputLineArray);
        return lines is not null && Array.TrueForAll(lines, line => line is not null) ? LineBatch.Of(lines)
            : throw new JsonException("an element of a list is null");
    }

    public override void Write(Utf8JsonWriter writer, LineBatch value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        if (value.Count > 0)
            writer.WriteRawValue(value.Json.Span, skipInputValidation: true);
        writer.WriteEndArray();
    }
}

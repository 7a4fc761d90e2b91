using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Unicode;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// Reads records of lines, by far the most common kind, without parsing the lines: they are checked and stay bytes. Their <c>update</c>, which has the
/// same content, is skipped. A starting process reads a million of them in its first seconds, before the runtime would optimise this code by itself.
/// </summary>
internal static class OutputLinesReader
{
    /// <summary>Null: another kind, or invalid; then the serializer reports the error.</summary>
    public static OutputLines? Read(ReadOnlyMemory<byte> value)
    {
        try
        {
            return Utf8.IsValid(value.Span) ? Parse(value) : null;
        }
        // InvalidOperation: a value has the wrong type
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static OutputLines? Parse(ReadOnlyMemory<byte> value)
    {
        var reader = new Utf8JsonReader(value.Span);
        var (v, at, isLines) = (1, default(DateTimeOffset), false);
        (string? taskId, string? owner, int? attempt, long? epoch, LineBatch? lines) = (null, null, null, null, null);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            return null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("kind"u8))
            {
                reader.Read();
                if (!reader.ValueTextEquals("lines"u8))
                    return null;
                isLines = true;
            }
            else if (reader.ValueTextEquals("task_id"u8))
                taskId = ReadText(ref reader);
            else if (reader.ValueTextEquals("owner"u8))
                owner = ReadText(ref reader);
            else if (reader.ValueTextEquals("attempt"u8) && reader.Read())
                attempt = reader.GetInt32();
            else if (reader.ValueTextEquals("epoch"u8) && reader.Read())
                epoch = reader.GetInt64();
            else if (reader.ValueTextEquals("v"u8) && reader.Read())
                v = reader.GetInt32();
            else if (reader.ValueTextEquals("at"u8) && reader.Read())
                at = reader.GetDateTimeOffset();
            else if (reader.ValueTextEquals("lines"u8))
            {
                if ((lines = ReadLines(ref reader, value)) is null)
                    return null;
            }
            else
                reader.Skip();
        }
        return !reader.Read() && isLines && taskId is not null && owner is not null && attempt is not null && epoch is not null && lines is not null
            ? new OutputLines { V = v, At = at, TaskId = taskId, Owner = owner, Attempt = attempt.Value, Epoch = epoch.Value, Lines = lines }
            : null;
    }

    private static string? ReadText(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.GetString();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static LineBatch? ReadLines(ref Utf8JsonReader reader, ReadOnlyMemory<byte> value)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            return null;
        var from = (int)reader.BytesConsumed;
        var (count, first, last) = (0, 0L, 0L);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject || ReadSeq(ref reader) is not { } seq)
                return null;
            (first, last) = (count++ == 0 ? seq : first, seq);
        }
        var json = value[from..(int)reader.TokenStartIndex];
        return json.Span.IndexOf("\\u"u8) >= 0 && HoldsSurrogate(json.Span) ? null : new LineBatch(json, count, first, last);
    }

    /// <summary>The number of a line that has all required members; otherwise null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long? ReadSeq(ref Utf8JsonReader reader)
    {
        (long? seq, var hasStream, var hasText, var hasTime) = ((long?)null, false, false, false);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("seq"u8) && reader.Read())
                seq = reader.GetInt64();
            else if (reader.ValueTextEquals("stream"u8) && reader.Read())
                hasStream = reader.ValueTextEquals("stdout"u8) || reader.ValueTextEquals("stderr"u8) || reader.ValueTextEquals("system"u8);
            else if (reader.ValueTextEquals("text"u8) && reader.Read())
                hasText = reader.TokenType == JsonTokenType.String;
            else if (reader.ValueTextEquals("at"u8) && reader.Read())
                hasTime = reader.TryGetDateTimeOffset(out _);
            else if (reader.ValueTextEquals("part"u8) && reader.Read())
                reader.GetInt32();
            else if (reader.ValueTextEquals("last"u8) && reader.Read())
                reader.GetBoolean();
            else if (reader.ValueTextEquals("cut"u8) && reader.Read())
                reader.GetInt64();
            else
                reader.Skip();
        }
        return hasStream && hasText && hasTime ? seq : null;
    }

    /// <summary>An escaped surrogate may be half of a pair, which is not text.</summary>
    private static bool HoldsSurrogate(ReadOnlySpan<byte> json) => json.IndexOf("\\ud"u8) >= 0 || json.IndexOf("\\uD"u8) >= 0;
}

using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Tells whether two requests said the same: a hash of the body with its names in order and without its spaces. What was made of a body would not do,
/// because a time in it may be relative and a default may have changed.
/// </summary>
internal static class BodyHash
{
    private const int Bytes = 16;

    /// <summary>Of a request without a body too.</summary>
    public static string Of(JsonElement body)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            if (body.ValueKind == JsonValueKind.Undefined)
                writer.WriteNullValue();
            else
                Write(writer, body);
        }
        return Convert.ToHexStringLower(SHA256.HashData(buffer.WrittenSpan).AsSpan(0, Bytes));
    }

    private static void Write(Utf8JsonWriter writer, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in element.EnumerateObject().OrderBy(property => property.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(property.Name);
                    Write(writer, property.Value);
                }
                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                    Write(writer, item);
                writer.WriteEndArray();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }
}

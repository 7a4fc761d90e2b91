using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Decides whether two requests are the same: a hash of the body with sorted names and without whitespace. Comparing the parsed tasks would not work,
/// because a time can be relative and a default can have changed.
/// </summary>
internal static class BodyHash
{
    private const int Bytes = 16;

    /// <summary>Accepts an undefined element, for a request without a body.</summary>
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

using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>JSON converter of a <see cref="TimeSpan"/> as a number of seconds; public for serializer contexts of other programs.</summary>
public sealed class SecondsJson : JsonConverter<TimeSpan>
{
    /// <inheritdoc/>
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => TimeSpan.FromSeconds(reader.GetDouble());

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) => writer.WriteNumberValue(value.TotalSeconds);
}

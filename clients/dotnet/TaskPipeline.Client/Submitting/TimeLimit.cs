using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>A time, or a duration after the task enters its queue. Both types convert implicitly.</summary>
/// <param name="Text">In the format of the API: <c>2h</c>, or <c>2026-03-01T09:30:00Z</c>.</param>
[JsonConverter(typeof(TimeLimitJson))]
public readonly record struct TimeLimit(string Text)
{
    /// <summary>This long after the task enters its queue, rounded up to whole seconds.</summary>
    public static implicit operator TimeLimit(TimeSpan after) => FromTimeSpan(after);

    /// <summary>At this time.</summary>
    public static implicit operator TimeLimit(DateTimeOffset at) => FromDateTimeOffset(at);

    /// <summary>This long after the task enters its queue, rounded up to whole seconds.</summary>
    public static TimeLimit FromTimeSpan(TimeSpan after) => new(string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(after.TotalSeconds)}s"));

    /// <summary>At this time.</summary>
    public static TimeLimit FromDateTimeOffset(DateTimeOffset at) => new(at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture));

    /// <inheritdoc/>
    public override string ToString() => Text ?? "";
}

/// <summary>JSON converter of <see cref="TimeLimit"/>; public for serializer contexts of other programs.</summary>
public sealed class TimeLimitJson : JsonConverter<TimeLimit>
{
    /// <inheritdoc/>
    public override TimeLimit Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetString()!);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, TimeLimit value, JsonSerializerOptions options) => writer.WriteStringValue(value.Text);
}

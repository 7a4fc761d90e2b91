using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>Where a task stands, as the server's own word for it. A word that this version does not know is kept as it came.</summary>
/// <param name="Word">Such as <c>running</c>.</param>
[JsonConverter(typeof(StatusJson))]
public readonly record struct Status(string Word)
{
    /// <summary>Submitted for later.</summary>
    public static Status Scheduled => new("scheduled");

    /// <summary>It waits for a worker.</summary>
    public static Status Queued => new("queued");

    /// <summary>A worker has taken it.</summary>
    public static Status Starting => new("starting");

    /// <summary>Its agent runs.</summary>
    public static Status Running => new("running");

    /// <summary>Its agent stands still until somebody resumes it.</summary>
    public static Status Paused => new("paused");

    /// <summary>It was asked to stop.</summary>
    public static Status Stopping => new("stopping");

    /// <summary>It waits for its next attempt.</summary>
    public static Status RetryWaiting => new("retry_waiting");

    /// <summary>It waits for a person.</summary>
    public static Status Held => new("held");

    /// <summary>It has ended well.</summary>
    public static Status Succeeded => new("succeeded");

    /// <summary>It has failed for good.</summary>
    public static Status Failed => new("failed");

    /// <summary>It ran longer than it may.</summary>
    public static Status TimedOut => new("timed_out");

    /// <summary>Somebody has stopped it.</summary>
    public static Status Stopped => new("stopped");

    /// <summary>It did not start in time.</summary>
    public static Status Expired => new("expired");

    /// <summary>All of them, in the order in which a task can come to them.</summary>
    public static IReadOnlyList<Status> All { get; } =
        [Scheduled, Queued, Starting, Running, Paused, Stopping, RetryWaiting, Held, Succeeded, Failed, TimedOut, Stopped, Expired];

    /// <summary>Whether a task that has come to it never changes again.</summary>
    public bool IsEnd => Word is "succeeded" or "failed" or "timed_out" or "stopped" or "expired";

    /// <inheritdoc/>
    public override string ToString() => Word ?? "";
}

/// <summary>Writes a <see cref="Status"/> as its word; public for serializer contexts of other programs.</summary>
public sealed class StatusJson : JsonConverter<Status>
{
    /// <inheritdoc/>
    public override Status Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetString()!);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, Status value, JsonSerializerOptions options) => writer.WriteStringValue(value.Word);
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>Status of a task, as the word of the protocol. Words that this version does not know are kept.</summary>
/// <param name="Word">Such as <c>running</c>.</param>
[JsonConverter(typeof(StatusJson))]
public readonly record struct Status(string Word)
{
    /// <summary>Submitted for later.</summary>
    public static Status Scheduled => new("scheduled");

    /// <summary>Waits for a worker.</summary>
    public static Status Queued => new("queued");

    /// <summary>A worker has claimed it.</summary>
    public static Status Starting => new("starting");

    /// <summary>Its agent runs.</summary>
    public static Status Running => new("running");

    /// <summary>Its agent is paused until somebody resumes it.</summary>
    public static Status Paused => new("paused");

    /// <summary>A stop was requested.</summary>
    public static Status Stopping => new("stopping");

    /// <summary>Waits for its next attempt.</summary>
    public static Status RetryWaiting => new("retry_waiting");

    /// <summary>Waits until somebody releases it.</summary>
    public static Status Held => new("held");

    /// <summary>Ended: it succeeded.</summary>
    public static Status Succeeded => new("succeeded");

    /// <summary>Ended: it failed, and is not retried.</summary>
    public static Status Failed => new("failed");

    /// <summary>Ended: it exceeded its time limit.</summary>
    public static Status TimedOut => new("timed_out");

    /// <summary>Ended: somebody stopped it.</summary>
    public static Status Stopped => new("stopped");

    /// <summary>Ended: it did not start in time.</summary>
    public static Status Expired => new("expired");

    /// <summary>All statuses, in the order in which a task can reach them.</summary>
    public static IReadOnlyList<Status> All { get; } =
        [Scheduled, Queued, Starting, Running, Paused, Stopping, RetryWaiting, Held, Succeeded, Failed, TimedOut, Stopped, Expired];

    /// <summary>Whether a task with this status has ended. It then never changes again.</summary>
    public bool IsEnd => Word is "succeeded" or "failed" or "timed_out" or "stopped" or "expired";

    /// <inheritdoc/>
    public override string ToString() => Word ?? "";
}

/// <summary>JSON converter of <see cref="Status"/>; public for serializer contexts of other programs.</summary>
public sealed class StatusJson : JsonConverter<Status>
{
    /// <inheritdoc/>
    public override Status Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetString()!);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, Status value, JsonSerializerOptions options) => writer.WriteStringValue(value.Word);
}

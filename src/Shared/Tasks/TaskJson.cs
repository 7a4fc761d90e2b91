using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// The JSON of every topic: snake_case, UTF-8, unknown fields are ignored. An unknown <c>kind</c> is an error; readers skip and count it. A record is
/// checked completely before it is read (<see cref="JsonText"/>), so everything decoded here can be encoded again, alone or inside another record.
/// Members with a default are settable instead of init-only, because generated code would replace our default by the type's own.
/// </summary>
[JsonSerializable(typeof(TaskSubmission))]
[JsonSerializable(typeof(ControlRecord))]
[JsonSerializable(typeof(ProgressRecord))]
[JsonSerializable(typeof(OutputLine[]))]
[JsonSerializable(typeof(TaskState))]
[JsonSerializable(typeof(LaneState))]
[JsonSerializable(typeof(DeadLetter))]
[JsonSerializable(typeof(DeadLetterResolution))]
[JsonSerializable(typeof(ScheduledTask))]
[JsonSerializable(typeof(TaskInput))]
[JsonSerializable(typeof(WorkerHeartbeat))]
[JsonSerializable(typeof(JsonObject))]
public sealed partial class TaskJson : JsonSerializerContext
{
    /// <summary>
    /// Most levels of a value from outside: params, an event's data, an agent's reports. The remaining levels, up to the default limit of JSON
    /// readers, are for the records that contain it.
    /// </summary>
    public const int MostValueDepth = 48;

    /// <summary>Most levels of a record that any producer can write.</summary>
    public const int MostRecordDepth = MostValueDepth + 8;

    /// <summary>Most levels of a record that contains one of those; the serializer's default.</summary>
    private const int MostStateDepth = 64;

    /// <summary>Most bytes of an encoded submission: the records of its end, its dead letter and its next attempt contain it, with their own data.</summary>
    public const int MostSubmissionBytes = 1024 * 1024;

    /// <summary>For records in Kafka: text is not escaped for HTML, because every reader reads it as JSON.</summary>
    public static TaskJson Wire { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        AllowOutOfOrderMetadataProperties = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    public static byte[] Encode(ProgressRecord record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.ProgressRecord);
    public static byte[] Encode(TaskSubmission record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.TaskSubmission);
    public static byte[] Encode(ControlRecord record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.ControlRecord);
    public static byte[] Encode(TaskState record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.TaskState);
    public static byte[] Encode(LaneState record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.LaneState);
    public static byte[] Encode(DeadLetter record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.DeadLetter);
    public static byte[] Encode(DeadLetterResolution record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.DeadLetterResolution);
    public static byte[] Encode(ScheduledTask record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.ScheduledTask);
    public static byte[] Encode(TaskInput record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.TaskInput);
    public static byte[] Encode(WorkerHeartbeat record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.WorkerHeartbeat);

    /// <summary>Lines stay parts of <paramref name="value"/>, which must not be changed afterwards.</summary>
    public static bool TryDecodeProgress(ReadOnlyMemory<byte> value, out ProgressRecord? record, out string? error)
    {
        (record, error) = (OutputLinesReader.Read(value), null);
        return record is not null
            || (TryDecode(value.Span, Wire.ProgressRecord, out record, out error) && IsWhole(ElementsOf(record!), ref record, out error));
    }

    private static IEnumerable<object?> ElementsOf(ProgressRecord record) => record switch
    {
        LaneBarrier barrier => barrier.Keeps,
        AttemptsSnapshot snapshot => snapshot.Attempts,
        AttemptExited exited => exited.Artifacts ?? [],
        _ => [],
    };

    public static bool TryDecodeControl(ReadOnlySpan<byte> value, out ControlRecord? record, out string? error)
        => TryDecode(value, Wire.ControlRecord, out record, out error);

    public static bool TryDecodeState(ReadOnlySpan<byte> value, out TaskState? record, out string? error)
        => TryDecode(value, Wire.TaskState, out record, out error, MostStateDepth) && IsWhole(record!.Attempts, ref record, out error);

    public static bool TryDecodeLane(ReadOnlySpan<byte> value, out LaneState? record, out string? error)
        => TryDecode(value, Wire.LaneState, out record, out error);

    public static bool TryDecodeScheduled(ReadOnlySpan<byte> value, out ScheduledTask? record, out string? error)
        => TryDecode(value, Wire.ScheduledTask, out record, out error, MostStateDepth);

    public static bool TryDecodeInput(ReadOnlySpan<byte> value, out TaskInput? record, out string? error)
        => TryDecode(value, Wire.TaskInput, out record, out error);

    public static bool TryDecodeHeartbeat(ReadOnlySpan<byte> value, out WorkerHeartbeat? record, out string? error)
        => TryDecode(value, Wire.WorkerHeartbeat, out record, out error);

    public static bool TryDecodeDeadLetter(ReadOnlySpan<byte> value, out DeadLetter? record, out string? error)
        => TryDecode(value, Wire.DeadLetter, out record, out error, MostStateDepth) && IsWhole(record!.Attempts, ref record, out error);

    public static bool TryDecodeResolution(ReadOnlySpan<byte> value, out DeadLetterResolution? record, out string? error)
        => TryDecode(value, Wire.DeadLetterResolution, out record, out error);

    /// <summary>A valid submission has an id by <see cref="TaskIds.Rule"/> and a type.</summary>
    public static bool TryDecodeSubmission(ReadOnlySpan<byte> value, out TaskSubmission? record, out string? error)
    {
        if (!TryDecode(value, Wire.TaskSubmission, out record, out error))
            return false;
        if (TaskIds.IsValid(record!.TaskId))
            return true;
        error = $"task_id must be {TaskIds.Rule}";
        record = null;
        return false;
    }

    /// <summary>The serializer refuses null for a member, but not for an element of a list.</summary>
    private static bool IsWhole<T>(IEnumerable<object?> elements, ref T? record, out string? error) where T : class
    {
        error = elements.Contains(null) ? "an element of a list is null" : null;
        if (error is not null)
            record = null;
        return error is null;
    }

    private static bool TryDecode<T>(ReadOnlySpan<byte> value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, out T? record, out string? error,
        int mostDepth = MostRecordDepth)
        where T : class
    {
        record = null;
        if (JsonText.Check(value, mostDepth) is { } wrong)
        {
            error = $"{(wrong.Path.Length == 0 ? "it" : wrong.Path)} {wrong.Reason} (byte {wrong.Byte})";
            return false;
        }
        try
        {
            record = JsonSerializer.Deserialize(value, type);
            error = record is null ? "the record is null" : null;
        }
        // NotSupported: there is no kind
        catch (Exception exception) when (
            exception is JsonException or NotSupportedException or InvalidOperationException or ArgumentException or FormatException or OverflowException)
        {
            error = exception.Message;
        }
        return record is not null;
    }
}

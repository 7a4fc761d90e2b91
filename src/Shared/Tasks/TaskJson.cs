using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// The JSON of every topic: snake_case, UTF-8, unknown fields ignored. A <c>kind</c> that is not known throws, and readers skip and count it.
/// Members that have a default are settable, not init-only: generated code would put the type's own default in place of ours.
/// </summary>
[JsonSerializable(typeof(TaskSubmission))]
[JsonSerializable(typeof(ControlRecord))]
[JsonSerializable(typeof(ProgressRecord))]
[JsonSerializable(typeof(OutputLine[]))]
[JsonSerializable(typeof(TaskState))]
[JsonSerializable(typeof(LaneState))]
[JsonSerializable(typeof(DeadLetter))]
[JsonSerializable(typeof(DeadLetterDealtWith))]
[JsonSerializable(typeof(ScheduledTask))]
[JsonSerializable(typeof(TaskInput))]
[JsonSerializable(typeof(WorkerHeartbeat))]
public sealed partial class TaskJson : JsonSerializerContext
{
    /// <summary>For records of Kafka: text is written as it is, not escaped for HTML; every reader of ours takes it as JSON.</summary>
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
    public static byte[] Encode(DeadLetterDealtWith record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.DeadLetterDealtWith);
    public static byte[] Encode(ScheduledTask record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.ScheduledTask);
    public static byte[] Encode(TaskInput record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.TaskInput);
    public static byte[] Encode(WorkerHeartbeat record) => JsonSerializer.SerializeToUtf8Bytes(record, Wire.WorkerHeartbeat);

    /// <summary>Lines are kept as parts of <paramref name="value"/>, which must not be changed then.</summary>
    public static bool TryDecodeProgress(ReadOnlyMemory<byte> value, out ProgressRecord? record, out string? error)
    {
        (record, error) = (OutputLinesReader.Read(value), null);
        return record is not null
            || (TryDecode(value.Span, Wire.ProgressRecord, out record, out error) && IsWhole(record is LaneBarrier barrier ? barrier.Keeps : [], ref record, out error));
    }

    public static bool TryDecodeControl(ReadOnlySpan<byte> value, out ControlRecord? record, out string? error)
        => TryDecode(value, Wire.ControlRecord, out record, out error);

    public static bool TryDecodeState(ReadOnlySpan<byte> value, out TaskState? record, out string? error)
        => TryDecode(value, Wire.TaskState, out record, out error) && IsWhole(record!.Attempts, ref record, out error);

    public static bool TryDecodeLane(ReadOnlySpan<byte> value, out LaneState? record, out string? error)
        => TryDecode(value, Wire.LaneState, out record, out error);

    public static bool TryDecodeScheduled(ReadOnlySpan<byte> value, out ScheduledTask? record, out string? error)
        => TryDecode(value, Wire.ScheduledTask, out record, out error);

    public static bool TryDecodeInput(ReadOnlySpan<byte> value, out TaskInput? record, out string? error)
        => TryDecode(value, Wire.TaskInput, out record, out error);

    public static bool TryDecodeHeartbeat(ReadOnlySpan<byte> value, out WorkerHeartbeat? record, out string? error)
        => TryDecode(value, Wire.WorkerHeartbeat, out record, out error);

    public static bool TryDecodeDeadLetter(ReadOnlySpan<byte> value, out DeadLetter? record, out string? error)
        => TryDecode(value, Wire.DeadLetter, out record, out error) && IsWhole(record!.Attempts, ref record, out error);

    public static bool TryDecodeDealtWith(ReadOnlySpan<byte> value, out DeadLetterDealtWith? record, out string? error)
        => TryDecode(value, Wire.DeadLetterDealtWith, out record, out error);

    /// <summary>A submission that can be run has an id that fits <see cref="TaskIds.Rule"/> and a type.</summary>
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

    private static bool TryDecode<T>(ReadOnlySpan<byte> value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, out T? record, out string? error)
        where T : class
    {
        try
        {
            record = JsonSerializer.Deserialize(value, type);
            error = record is null ? "the record is null" : null;
        }
        catch (Exception exception) when (exception is JsonException or NotSupportedException)   // NotSupported: no kind at all
        {
            record = null;
            error = exception.Message;
        }
        return record is not null;
    }
}

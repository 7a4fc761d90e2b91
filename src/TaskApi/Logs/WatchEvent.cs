using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// An event for watchers, the same on every transport. It is immutable; its JSON is encoded once, on first use, and all watchers get the same bytes.
/// </summary>
internal abstract class WatchEvent(string taskId, Cursor cursor) : LogEntry
{
    public string TaskId { get; } = taskId;

    public override Cursor Cursor { get; } = cursor;

    /// <summary>It can occur at any stage of an attempt, so its place is the offset of its record (<see cref="Cursor.Events"/>).</summary>
    public bool IsPlacedByOffset { get; init; }

    public abstract ReadOnlyMemory<byte> Json { get; }

    /// <summary>The event as plain text; most events have none.</summary>
    public virtual IEnumerable<TextPiece> PlainText => [];
}

/// <summary>An event that is already encoded.</summary>
internal sealed class EncodedEvent(string taskId, Cursor cursor, ReadOnlyMemory<byte> json) : WatchEvent(taskId, cursor)
{
    public override ReadOnlyMemory<byte> Json => json;
}

/// <summary>An event that is encoded on first use. Two readers can do so at the same time; both get the same bytes, and one copy is kept.</summary>
internal abstract class TypedEvent(string taskId, string type, Cursor cursor) : WatchEvent(taskId, cursor)
{
    private const int UsualBytes = 256;
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private byte[]? _json;

    public override ReadOnlyMemory<byte> Json
    {
        get
        {
            var json = Volatile.Read(ref _json);
            if (json is null)
                Volatile.Write(ref _json, json = Encode());
            return json;
        }
    }

    protected abstract void WriteFields(Utf8JsonWriter writer);

    private byte[] Encode()
    {
        var buffer = new ArrayBufferWriter<byte>(UsualBytes);
        using (var writer = new Utf8JsonWriter(buffer, Relaxed))
        {
            writer.WriteStartObject();
            writer.WriteNumber("v"u8, 1);
            writer.WriteString("type"u8, type);
            writer.WriteString("task_id"u8, TaskId);
            writer.WriteString("cursor"u8, Cursor.ToString());
            WriteFields(writer);
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}

/// <summary>The first event of every stream: where it starts, and what the log holds.</summary>
internal sealed class HelloEvent(TaskLog log, Cursor start, Status status) : TypedEvent(log.TaskId, "hello", start)
{
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteString("status"u8, status.Word());
        writer.WriteString("earliest"u8, Cursor.Start.ToString());
        writer.WriteString("latest"u8, log.Latest.ToString());
        writer.WriteNumber("heartbeat"u8, Heartbeat.TotalSeconds);
    }
}

/// <summary>All events up to the watcher's start have been sent; live events follow.</summary>
internal sealed class CaughtUpEvent(string taskId, Cursor cursor) : TypedEvent(taskId, "caught_up", cursor)
{
    protected override void WriteFields(Utf8JsonWriter writer)
    {
    }
}

/// <summary>A task has reached a new state, or a later attempt has reached the same one.</summary>
/// <param name="project">Read when the event is encoded. The event can be read from Kafka before the submission, but it is sent only after it.</param>
internal sealed class StateEvent(string taskId, Cursor cursor, StateChange change, Func<string?> project) : TypedEvent(taskId, "state", cursor)
{
    /// <summary>The same event at another place.</summary>
    public StateEvent At(Cursor place) => new(TaskId, place, change, project);

    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteString("status"u8, change.Status.Word());
        writer.WriteNumber("attempt"u8, Cursor.Attempt);
        writer.WriteOptional("project"u8, project());
        writer.WriteOptional("worker"u8, change.Worker);
        writer.WriteOptional("requested_by"u8, change.RequestedBy);
        writer.WriteOptional("reason"u8, change.Reason);
        if (change.DueAt is { } dueAt)
            writer.WriteString("due_at"u8, dueAt.UtcDateTime);
        if (change.At is { } at)
            writer.WriteString("at"u8, at.UtcDateTime);
    }
}

internal sealed record StateChange(Status Status)
{
    public string? Worker { get; init; }
    public string? RequestedBy { get; init; }

    /// <summary>For a stop: the caller's reason. For an attempt: why the previous one ended.</summary>
    public string? Reason { get; init; }

    /// <summary>When a waiting task is due.</summary>
    public DateTimeOffset? DueAt { get; init; }

    public DateTimeOffset? At { get; init; }
}

/// <summary>Lines that cannot be shown, with their exact range.</summary>
internal sealed class GapEvent(string taskId, Cursor cursor, OutputHole hole) : TypedEvent(taskId, "gap", cursor)
{
    public const string NotKept = "not_kept";

    public OutputHole Hole => hole;

    public override IEnumerable<TextPiece> PlainText => [new(Cursor, hole.ToString())];

    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteNumber("attempt"u8, hole.Attempt);
        writer.WriteNumber("from"u8, hole.From);
        writer.WriteNumber("to"u8, hole.To);
        writer.WriteNumber("count"u8, hole.Count);
        writer.WriteString("reason"u8, hole.Reason);
    }
}

/// <summary>Lines that cannot be shown.</summary>
/// <param name="Reason"><c>not_kept</c>: Kafka no longer has them; <c>output_limit</c>: the worker left them out.</param>
public sealed record OutputHole(int Attempt, long From, long To, string Reason)
{
    public long Count => To - From + 1;

    public override string ToString() =>
        $"[lines {From} to {To} of attempt {Attempt} {(Reason == GapEvent.NotKept ? "are no longer kept" : "are left out: more than the output limit")}]";
}

/// <summary>A user's own event, at its place among the lines.</summary>
internal sealed class EmittedEvent(string taskId, Cursor cursor, TaskEmitted emitted) : TypedEvent(taskId, "event", cursor)
{
    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteString("event_id"u8, emitted.EventId);
        writer.WriteString("name"u8, emitted.Name);
        if (emitted.Data is { } data)
        {
            writer.WritePropertyName("data"u8);
            data.WriteTo(writer);
        }
        writer.WriteString("at"u8, emitted.At.UtcDateTime);
    }
}

/// <summary>What the agent reported about its work, after the lines in which it did.</summary>
internal sealed class AgentWatchEvent(string taskId, Cursor cursor, AgentEvent reported) : TypedEvent(taskId, reported.Name.Word(), cursor)
{
    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteNumber("attempt"u8, reported.Attempt);
        writer.WritePropertyName("data"u8);
        reported.Data.WriteTo(writer);
        writer.WriteString("at"u8, reported.At.UtcDateTime);
    }
}

/// <summary>Input to the agent's stdin, at its place among the lines.</summary>
internal sealed class InputEvent(string taskId, Cursor cursor, AttemptInput input) : TypedEvent(taskId, "input", cursor)
{
    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteNumber("attempt"u8, input.Attempt);
        writer.WriteString("input_id"u8, input.InputId);
        writer.WriteOptional("text"u8, input.Text);
        if (input.Close)
            writer.WriteBoolean("close"u8, true);
        if (input.Refused)
            writer.WriteBoolean("refused"u8, true);
        writer.WriteOptional("requested_by"u8, input.RequestedBy);
        writer.WriteString("at"u8, input.At.UtcDateTime);
    }
}

/// <summary>How an attempt ended. The owner of the task's lane decides and commits how the task continues, as soon as the lane has an owner.</summary>
internal sealed class ExitedEvent(string taskId, Cursor cursor, AttemptExited exited) : TypedEvent(taskId, "exited", cursor)
{
    protected override void WriteFields(Utf8JsonWriter writer)
    {
        writer.WriteNumber("attempt"u8, exited.Attempt);
        writer.WriteString("reason"u8, exited.Reason.Word());
        if (exited.ExitCode is { } exitCode)
            writer.WriteNumber("exit_code"u8, exitCode);
        writer.WriteOptional("signal"u8, exited.Signal);
        writer.WriteString("at"u8, exited.At.UtcDateTime);
    }
}

/// <summary>The last event of every stream. It has the number of lines of the deciding attempt, so that a watcher can check that it has all.</summary>
internal sealed class EndEvent(string taskId, Cursor cursor, TaskState end, ControlRecord? stop) : TypedEvent(taskId, "end", cursor)
{
    public override IEnumerable<TextPiece> PlainText => [new(Cursor, end.Status.EndText())];

    protected override void WriteFields(Utf8JsonWriter writer)
    {
        var deciding = end.Deciding();
        writer.WriteString("status"u8, end.Status.Word());
        if (end.Reason is { } reason)
            writer.WriteString("reason"u8, reason.Word());
        if (end.ExitCode is { } exitCode)
            writer.WriteNumber("exit_code"u8, exitCode);
        writer.WriteOptional("signal"u8, end.Signal);
        writer.WriteOptional("error"u8, end.Error);
        writer.WriteNumber("attempt"u8, end.Attempt);
        writer.WriteNumber("lines"u8, deciding?.Lines ?? 0);
        writer.WriteOptional("hash"u8, deciding?.Hash);
        if (end.Result is { } result)
        {
            writer.WritePropertyName("result"u8);
            result.WriteTo(writer);
        }
        if (stop?.At is { } stopRequestedAt)
            writer.WriteString("stop_requested_at"u8, stopRequestedAt.UtcDateTime);
        if (stop is not null && end.Status != Status.Stopped)
            writer.WriteBoolean("stop_too_late"u8, true);
        writer.WriteString("project"u8, end.Task.Project);
        writer.WriteString("at"u8, end.At.UtcDateTime);
    }
}

/// <summary>Writes an event's own bytes into SignalR's messages.</summary>
internal sealed class WatchEventJson : JsonConverter<WatchEvent>
{
    public override bool CanConvert(Type typeToConvert) => typeToConvert.IsAssignableTo(typeof(WatchEvent));

    public override WatchEvent Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Events are only sent");

    public override void Write(Utf8JsonWriter writer, WatchEvent value, JsonSerializerOptions options) =>
        writer.WriteRawValue(value.Json.Span, skipInputValidation: true);
}

internal static class EventWriting
{
    public static AttemptSummary? Deciding(this TaskState end) => end.Attempts.LastOrDefault(attempt => attempt.Attempt == end.Attempt);

    public static void WriteOptional(this Utf8JsonWriter writer, ReadOnlySpan<byte> name, string? value)
    {
        if (value is not null)
            writer.WriteString(name, value);
    }
}

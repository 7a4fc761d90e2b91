using System.Buffers;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Stopping;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>Commands on a watch socket, for the task that it watches; a socket that watches many tasks (null) accepts none.</summary>
internal sealed class WatchCommands(TrackedTask? tracked, StopRequests stops, InputRequests inputs)
{
    /// <summary>Returns the answer, <c>ack</c> or <c>error</c> with the caller's request id. Answers have no place in the log.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> message)
    {
        if (WrongWith(message.Span) is { } wrong)
            return Reply(RequestIdOf(message), wrong);
        var (command, requestId, content) = Parse(message);
        var problem = (tracked, command) switch
        {
            (null, _) => new Problem(StatusCodes.Status400BadRequest, "This socket accepts no commands; /tasks/{id}/watch does"),
            (_, "stop") => await stops.SendAsync(tracked, "websocket"),
            (_, "input") => await TypeAsync(tracked, content),
            _ => new Problem(StatusCodes.Status400BadRequest, """Commands are STOP, {"type":"stop"} and {"type":"input","text":"…"}"""),
        };
        return Reply(requestId, problem);
    }

    private async Task<Problem?> TypeAsync(TrackedTask task, JsonElement content)
    {
        var (input, wrong) = SendInput.Read(content);
        return wrong ?? (await inputs.SendAsync(task, input!, "websocket")).Problem;
    }

    /// <summary>The problem of a command that is JSON with invalid text in it. What is not JSON is not a command, and is answered elsewhere.</summary>
    private static Problem? WrongWith(ReadOnlySpan<byte> message) =>
        JsonText.Check(message, JsonBody.MostLevels) is { Path.Length: > 0 } error
            ? new Problem(StatusCodes.Status400BadRequest, $"{error.Path} {error.Reason} (byte {error.Byte + 1} of the message)")
            : null;

    /// <summary>The request id of a command that has another error: its sender waits for an answer.</summary>
    private static string? RequestIdOf(ReadOnlyMemory<byte> message)
    {
        try
        {
            using var document = JsonDocument.Parse(message, new JsonDocumentOptions { MaxDepth = message.Length });
            return Field(document.RootElement, "request_id");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)   // the latter if the id itself is invalid
        {
            return null;
        }
    }

    private static (string? Command, string? RequestId, JsonElement Content) Parse(ReadOnlyMemory<byte> message)
    {
        if (Encoding.UTF8.GetString(message.Span).Trim() is "STOP")
            return ("stop", null, default);
        try
        {
            using var document = JsonDocument.Parse(message);
            return document.RootElement is { ValueKind: JsonValueKind.Object } command
                ? (Field(command, "type"), Field(command, "request_id"), command.Clone()) : default;
        }
        catch (JsonException)
        {
            return default;
        }
    }

    private static string? Field(JsonElement command, string name) =>
        command.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null;

    private ReadOnlyMemory<byte> Reply(string? requestId, Problem? problem)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("v"u8, 1);
            writer.WriteString("type"u8, problem is null ? "ack" : "error");
            writer.WriteOptional("task_id"u8, tracked?.TaskId);
            writer.WriteOptional("request_id"u8, requestId);
            if (problem is not null)
            {
                writer.WriteNumber("status"u8, problem.StatusCode!.Value);
                writer.WriteString("detail"u8, problem.Detail);
            }
            writer.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }
}

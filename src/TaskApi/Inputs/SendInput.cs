using System.ComponentModel;
using System.Text;
using System.Text.Json;

namespace TaskPipeline.TaskApi.Inputs;

/// <summary>The body of <c>POST /tasks/{id}/input</c>, and the same fields of a command on a watch socket.</summary>
public sealed record SendInput
{
    public const int MostTextBytes = 3 * 1024;   // a command on a socket has room for it

    [Description("A line for the agent's stdin, at most 3 KiB; its line feed is added. Line feeds in it make several lines.")]
    public string? Text { get; init; }

    [Description("Close the agent's stdin, behind the text where there is one.")]
    public bool Close { get; init; }

    internal static async Task<(SendInput? Body, Problem? Problem)> ReadAsync(HttpRequest request)
    {
        var body = await JsonBody.ReadAsync(request, "text", "close");
        return body.Problem is { } problem ? (null, problem) : Read(body.Content);
    }

    internal static (SendInput? Body, Problem? Problem) Read(JsonElement content)
    {
        Dictionary<string, string[]> errors = [];
        var hasText = content.TryGetProperty("text", out var text) && text.ValueKind != JsonValueKind.Null;
        var hasClose = content.TryGetProperty("close", out var close) && close.ValueKind != JsonValueKind.Null;
        if (hasText && (text.ValueKind != JsonValueKind.String || Encoding.UTF8.GetByteCount(text.GetString()!) > MostTextBytes || text.GetString()!.Contains('\0', StringComparison.Ordinal)))
            errors["text"] = [$"must be a string of at most {MostTextBytes} bytes without NUL"];
        if (hasClose && close.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            errors["close"] = ["must be true or false"];
        if (errors.Count == 0 && !hasText && !(hasClose && close.GetBoolean()))
            errors["text"] = ["is required, unless close is true"];
        return errors.Count > 0 ? (null, Problem.Invalid(errors)) : (new SendInput { Text = hasText ? text.GetString() : null, Close = hasClose && close.GetBoolean() }, null);
    }
}

/// <summary>The answer to it: the event <c>input</c> with this id says when the agent has it.</summary>
public sealed record InputAnswer(string TaskId, int Attempt, string InputId);

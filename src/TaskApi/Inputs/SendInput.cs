using System.ComponentModel;
using System.Text;
using System.Text.Json;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Inputs;

/// <summary>The body of <c>POST /tasks/{id}/input</c>, and the same fields of a command on a watch socket.</summary>
public sealed record SendInput
{
    public const int MostTextBytes = 3 * 1024;   // so that it fits into a command on a watch socket

    [Description("A line for the agent's stdin, at most 3 KiB, without the final line feed. Line feeds in it make several lines.")]
    public string? Text { get; init; }

    [Description("Close the agent's stdin, after the text if there is any.")]
    public bool Close { get; init; }

    internal static async Task<(SendInput? Body, Problem? Problem)> ReadAsync(HttpRequest request)
    {
        var body = await JsonBody.ReadAsync(request, "text", "close");
        return body.Problem is { } problem ? (null, problem) : Read(body.Content);
    }

    internal static (SendInput? Body, Problem? Problem) Read(JsonElement content)
    {
        var fields = new FieldReader(content);
        var (text, close) = (fields.Text("text"), fields.Flag("close"));
        if (text is not null && (Encoding.UTF8.GetByteCount(text) > MostTextBytes || text.Contains('\0', StringComparison.Ordinal)))
            fields.Errors.Add("text", $"must be a string of at most {MostTextBytes} bytes without NUL");
        if (fields.Errors.Problem is null && text is null && !close)
            fields.Errors.Add("text", "is required, unless close is true");
        return fields.Errors.Problem is { } problem ? (null, problem) : (new SendInput { Text = text, Close = close }, null);
    }
}

/// <summary>The answer to an input: the event <c>input</c> with this id reports when the agent has it.</summary>
public sealed record InputAnswer(string TaskId, int Attempt, string InputId);

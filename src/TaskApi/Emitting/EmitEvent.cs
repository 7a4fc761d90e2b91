using System.ComponentModel;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Emitting;

/// <summary>The body of <c>POST /tasks/{id}/emit</c>.</summary>
public sealed partial record EmitEvent
{
    private const int MostDataBytes = 16 * 1024;

    [Description("1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and dash.")]
    public required string Name { get; init; }

    [Description("Any JSON, at most 16 KiB.")]
    public JsonElement? Data { get; init; }

    internal static async Task<(EmitEvent? Body, Problem? Problem)> ReadAsync(HttpRequest request)
    {
        var body = await JsonBody.ReadAsync(request, "name", "data");
        if (body.Problem is not null)
            return (null, body.Problem);
        var fields = new FieldReader(body.Content);
        var name = fields.Text("name");
        if (name is null || !NamePattern().IsMatch(name))
            fields.Errors.Add("name", "is required: 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and dash");
        var hasData = body.Content.TryGetProperty("data", out var data);
        if (hasData && Encoding.UTF8.GetByteCount(data.GetRawText()) > MostDataBytes)
            fields.Errors.Add("data", $"may have at most {MostDataBytes} bytes; store larger data elsewhere and emit its address");
        return fields.Errors.Problem is { } problem ? (null, problem) : (new EmitEvent { Name = name!, Data = hasData ? data : null }, null);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,100}\z")]
    private static partial Regex NamePattern();
}

/// <summary>The answer to an emit. Watchers receive the event with this id.</summary>
public sealed record EmitAnswer(string TaskId, string EventId);

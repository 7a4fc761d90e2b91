using System.ComponentModel;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Stopping;

/// <summary>The optional body of <c>POST /tasks/{id}/stop</c>.</summary>
public sealed record StopTask
{
    [Description("Shown in the task's history.")]
    public string? Reason { get; init; }

    [Description("End the agent at once, without the grace period of its type.")]
    public bool Force { get; init; }
}

internal static class StopEndpoint
{
    private const int LongestReason = 1000;

    public static async Task<IResult> PostAsync(string id, HttpRequest request, TaskFinder finder, StopRequests stops)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (body, wrong) = await ReadAsync(request);
        if (wrong is not null)
            return wrong;
        var (found, problem) = await finder.FindAsync(id, request.Query, request.HttpContext.RequestAborted);
        problem ??= await stops.SendAsync(found!, "http", body!.Reason, body.Force, key);
        return problem ?? (IResult)TypedResults.Accepted((string?)null, new StopAnswer(id, Status.Stopping));
    }

    private static async Task<(StopTask?, Problem?)> ReadAsync(HttpRequest request)
    {
        if (JsonBody.IsMissing(request))
            return (new StopTask(), null);
        var body = await JsonBody.ReadAsync(request, "reason", "force");
        if (body.Problem is not null)
            return (null, body.Problem);
        var fields = new FieldReader(body.Content);
        var stop = new StopTask { Reason = fields.Text("reason", LongestReason), Force = fields.Flag("force") };
        return fields.Errors.Problem is { } problem ? (null, problem) : (stop, null);
    }
}

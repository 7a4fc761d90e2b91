using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Pausing;

/// <summary>The answer to a pause or a resume, with the requested status. The <c>state</c> event reports when it is reached.</summary>
public sealed record PauseAnswer(string TaskId, Status Status);

internal static class PauseEndpoint
{
    public static Task<IResult> PauseAsync(string id, HttpRequest request, TaskFinder finder, PauseRequests pauses) =>
        SendAsync(id, ControlRecord.Pause, request, finder, pauses);

    public static Task<IResult> ResumeAsync(string id, HttpRequest request, TaskFinder finder, PauseRequests pauses) =>
        SendAsync(id, ControlRecord.Resume, request, finder, pauses);

    private static async Task<IResult> SendAsync(string id, string signal, HttpRequest request, TaskFinder finder, PauseRequests pauses)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (found, problem) = await finder.FindAsync(id, request.Query, request.HttpContext.RequestAborted);
        problem ??= await pauses.SendAsync(found!, signal, "http", key);
        return problem ?? (IResult)TypedResults.Accepted((string?)null, new PauseAnswer(id, signal == ControlRecord.Pause ? Status.Paused : Status.Running));
    }
}

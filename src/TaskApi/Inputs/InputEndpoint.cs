using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Inputs;

internal static class InputEndpoint
{
    public static async Task<IResult> PostAsync(string id, HttpRequest request, TaskFinder finder, InputRequests inputs)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (body, wrong) = await SendInput.ReadAsync(request);
        if (wrong is not null)
            return wrong;
        var (found, problem) = await finder.FindAsync(id, request.Query, request.HttpContext.RequestAborted);
        if (problem is not null)
            return problem;
        var (answer, refused) = await inputs.SendAsync(found!, body!, "http", key);
        return refused ?? (IResult)TypedResults.Accepted((string?)null, answer);
    }
}

using System.Globalization;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.Repeating;

/// <summary>Runs an ended task again as a new task. The old task does not change.</summary>
internal static class ReplayEndpoint
{
    public static async Task<IResult> PostAsync(
        string id, HttpRequest request, TaskTable table, TaskFinder finder, TaskRepeater repeater, Submissions submissions)
    {
        var (body, key, wrong) = await RepeatTask.ReadAsync(request);
        if (wrong is not null)
            return wrong;
        var (found, problem) = await finder.FindAsync(id, request.Query, request.HttpContext.RequestAborted);
        if (problem is not null)
            return problem;
        if (!table.Read(found!, task => task.HasEnded))
            return new Problem(StatusCodes.Status409Conflict, $"Task '{id}' has not ended yet; wait for its end or stop it, then replay it");
        if (body!.Params is null
            && table.Read(found!, task => task.Committed!.LeftOut?.Contains(StateParts.Params) == true && task.Submission!.Params.Count == 0))
            return new Problem(
                StatusCodes.Status409Conflict,
                $"The params of task '{id}' were too large for the record of its end and were left out: send params with the replay");
        var (again, refused) = repeater.Again(found!.Submission!, body!);
        if (refused is not null)
            return refused;
        while (true)
        {
            var seq = table.Read(found, task => task.Replays.Count) + 1;
            var replay = again! with
            {
                TaskId = key is null ? DerivedId.Of(id, "replay", seq.ToString(CultureInfo.InvariantCulture)) : DerivedId.Of(id, "replay", "key", key),
                ReplayOf = id,
                ReplaySeq = seq,
            };
            var otherwise = key is null ? AnotherReplay(id) : IdempotencyKey.UsedOtherwise(key);
            var answer = await submissions.SubmitOnceAsync(replay, otherwise, request.HttpContext.RequestAborted);
            if (key is not null || answer != otherwise || table.Read(found, task => task.Replays.Count) < seq)
                return answer;
            // Another caller used this number with other params; try the next number.
        }
    }

    private static Problem AnotherReplay(string id) =>
        new(StatusCodes.Status409Conflict, $"Another replay of task '{id}' was accepted first; send it again");
}

using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>The task types that this API accepts.</summary>
public sealed record TaskTypeList(IReadOnlyList<TaskTypeView> Types);

/// <param name="Params">JSON Schema of a submission's <c>params</c>.</param>
/// <param name="Hash">Changes when the type's rules change; tasks carry it.</param>
public sealed record TaskTypeView(string Type, JsonObject Params, string Hash, string? Command = null, string? Summary = null);

internal static class TaskEndpoints
{
    private const int DefaultLimit = 50;
    private const int MostTasks = 500;

    public static IResult List(
        TaskTable table, string? status, string? project, string? type, [FromQuery(Name = "class")] string? failureClass, string? limit, string? after)
    {
        var errors = new FieldErrors();
        var wantedStatus = errors.OneOf<Status>("status", status);
        var wantedClass = errors.OneOf<FailureClass>("class", failureClass);
        var most = errors.Limit(limit, DefaultLimit, MostTasks);
        var last = errors.After(after, table.Find);
        if (errors.Problem is { } problem)
            return problem;
        var found = table.Page(last, most + 1, tracked => Matches(tracked, wantedStatus, wantedClass, project, type), tracked => new TaskSummary(tracked));
        return TypedResults.Ok(found.Count > most ? new TaskPage([.. found.Take(most)], found[most - 1].TaskId) : new TaskPage(found));
    }

    public static async Task<IResult> GetAsync(
        string id, HttpContext context, TaskFinder finder, TaskTable table, TimeProvider clock, IOptions<KafkaOptions> kafka, string? wait, string? after)
    {
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        var errors = new FieldErrors();
        var seen = found!.Log.Latest;
        if (!LongPoll.TryParse(wait, out var maxWait))
            errors.Add("wait", LongPoll.Rule);
        if (!string.IsNullOrEmpty(after) && !Cursor.TryParse(after, out seen))
            errors.Add("after", "must be a cursor");
        if (errors.Problem is { } unfit)
            return unfit;
        using var waiting = new LongPoll(maxWait, context.RequestAborted);
        for (var version = found.Log.Version; maxWait > TimeSpan.Zero && !found.Log.HasNewsFor(seen) && !found.Log.HasEnded
            && await waiting.ForMoreAsync(found.Log, version);)
            version = found.Log.Version;
        return TypedResults.Ok(table.Read(found!, tracked => new TaskDetail(tracked)   // a consistent snapshot
        {
            QueuePosition = table.QueuePosition(tracked),
            WaitsFor = table.HolderOfKey(tracked, clock.GetUtcNow(), kafka.Value.SessionTimeout),
        }));
    }

    public static TaskTypeList Types(CatalogueFile catalogue) =>
        new([.. catalogue.Current.Types.Select(type => new TaskTypeView(type.Name, type.ParamsSchema(), type.Hash, type.Command, type.Summary))]);

    private static bool Matches(TrackedTask tracked, Status? status, FailureClass? failureClass, string? project, string? type) =>
        (status is null || tracked.Status == status)
        && (failureClass is null || tracked.Class == failureClass)
        && (string.IsNullOrEmpty(project) || tracked.Submission!.Project == project)
        && (string.IsNullOrEmpty(type) || tracked.Submission!.Type == type);
}

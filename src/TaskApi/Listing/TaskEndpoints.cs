using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Tailing;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>The task types that this API takes.</summary>
public sealed record TaskTypeList(IReadOnlyList<TaskTypeView> Types);

/// <param name="Params">JSON Schema of a submission's <c>params</c>.</param>
/// <param name="Hash">Changes with the type's rules; tasks carry it.</param>
public sealed record TaskTypeView(string Type, JsonObject Params, string Hash, string? Command = null, string? Summary = null);

internal static class TaskEndpoints
{
    private const int DefaultLimit = 50;
    private const int MostTasks = 500;

    public static IResult List(TaskTable table, string? status, string? project, string? type, [FromQuery(Name = "class")] string? failureClass, string? limit, string? after)
    {
        Dictionary<string, string[]> errors = [];
        var wantedStatus = OneOf<Status>("status", status, Words.Word, errors);
        var wantedClass = OneOf<FailureClass>("class", failureClass, Words.Word, errors);
        var most = DefaultLimit;
        if (!string.IsNullOrEmpty(limit) && (!int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out most) || most is < 1 or > MostTasks))
            errors["limit"] = [$"must be 1 to {MostTasks}"];
        var last = string.IsNullOrEmpty(after) ? null : table.Find(after);
        if (!string.IsNullOrEmpty(after) && last is null)
            errors["after"] = ["must be the next of a page"];
        if (errors.Count > 0)
            return Problem.Invalid(errors);
        var found = table.Page(last, most + 1, tracked => Matches(tracked, wantedStatus, wantedClass, project, type), TaskSummary.Of);
        return TypedResults.Ok(found.Count > most ? new TaskPage([.. found.Take(most)], found[most - 1].TaskId) : new TaskPage(found));
    }

    public static async Task<IResult> GetAsync(string id, HttpContext context, TaskFinder finder, TaskTable table, TimeProvider clock, IOptions<KafkaOptions> kafka, string? wait, string? after)
    {
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        Dictionary<string, string[]> errors = [];
        var seen = found!.Log.Latest;
        if (!Patience.TryParse(wait, out var patience))
            errors["wait"] = [Patience.Rule];
        if (!string.IsNullOrEmpty(after) && !Cursor.TryParse(after, out seen))
            errors["after"] = ["must be a cursor"];
        if (errors.Count > 0)
            return Problem.Invalid(errors);
        using var waiting = new Patience(patience, context.RequestAborted);
        for (var version = found.Log.Version; patience > TimeSpan.Zero && !found.Log.HasNewsFor(seen) && !found.Log.HasEnded && await waiting.ForMoreAsync(found.Log, version);)
            version = found.Log.Version;
        return TypedResults.Ok(table.Read(found!, tracked => TaskDetail.Of(tracked) with   // at one moment
        {
            QueuePosition = table.QueuePosition(tracked),
            WaitsFor = table.HolderOfKey(tracked, clock.GetUtcNow(), kafka.Value.SessionTimeout),
        }));
    }

    public static TaskTypeList Types(CatalogueFile catalogue) =>
        new([.. catalogue.Current.Types.Select(type => new TaskTypeView(type.Name, type.ParamsSchema(), type.Hash, type.Command, type.Summary))]);

    private static T? OneOf<T>(string field, string? text, Func<T, string> word, Dictionary<string, string[]> errors) where T : struct, Enum
    {
        if (string.IsNullOrEmpty(text))
            return null;
        foreach (var value in Enum.GetValues<T>())
            if (word(value) == text)
                return value;
        errors[field] = [$"must be one of {string.Join(", ", Enum.GetValues<T>().Select(word))}"];
        return null;
    }

    private static bool Matches(TrackedTask tracked, Status? status, FailureClass? failureClass, string? project, string? type) =>
        (status is null || tracked.Status == status)
        && (failureClass is null || tracked.Class == failureClass)
        && (string.IsNullOrEmpty(project) || tracked.Submission!.Project == project)
        && (string.IsNullOrEmpty(type) || tracked.Submission!.Type == type);
}

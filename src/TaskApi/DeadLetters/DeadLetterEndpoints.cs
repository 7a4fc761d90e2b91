using System.Globalization;
using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Repeating;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>What people do with tasks that the system does not run again by itself.</summary>
internal static class DeadLetterEndpoints
{
    private const int DefaultLimit = 50;
    private const int MostLetters = 500;
    private const double LowestRate = 0.001;
    private const double HighestRate = 1000;

    public static IResult List(
        DeadLetterTable letters, string? project, string? type, string? @class, string? reason, string? resolved, string? limit, string? after)
    {
        var errors = new FieldErrors();
        bool? isResolved = resolved == "all" ? null : resolved == "true";
        var filter = DeadLetterFilter.Read(field => field switch { "project" => project, "type" => type, "class" => @class, _ => reason }, isResolved, errors);
        if (resolved is not (null or "" or "true" or "false" or "all"))
            errors.Add("resolved", "must be false (the default), true or all");
        var most = errors.Limit(limit, DefaultLimit, MostLetters);
        var last = errors.After(after, letters.Find);
        if (errors.Problem is { } problem)
            return problem;
        var found = letters.NewestFirst(filter, last, most + 1);
        return TypedResults.Ok(
            new DeadLetterPage([.. found.Take(most).Select(entry => new DeadLetterSummary(entry))], found.Count > most ? found[most - 1].Id : null));
    }

    public static IResult Get(string id, DeadLetterTable letters, CatalogueFile catalogue) =>
        letters.Find(id) is { } entry ? TypedResults.Ok(new DeadLetterDetail(entry, catalogue.Current)) : Unknown(id);

    public static async Task<IResult> RedriveAsync(string id, HttpRequest request, DeadLetterTable letters, Redriver redriver)
    {
        var (body, key, wrong) = await RepeatTask.ReadAsync(request);
        if (wrong is not null)
            return wrong;
        return letters.Find(id) is null ? Unknown(id) : await redriver.RedriveAsync(id, body!, key, "http", request.HttpContext.RequestAborted);
    }

    public static async Task<IResult> RedriveManyAsync(HttpRequest request, DeadLetterTable letters, BulkRedrives bulk)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var body = JsonBody.IsMissing(request) ? default : await JsonBody.ReadAsync(request, [.. DeadLetterFilter.Fields, "rate", "limit"]);
        if (body.Problem is not null)
            return body.Problem;
        var fields = new FieldReader(body.Content);
        var filter = DeadLetterFilter.Read(fields.Text, isResolved: false, fields.Errors);
        var rate = RedriveTasks.DefaultRate;
        if (fields.Has("rate", out var givenRate)
            && (givenRate.ValueKind != JsonValueKind.Number || !givenRate.TryGetDouble(out rate) || rate is not (>= LowestRate and <= HighestRate)))
            fields.Errors.Add("rate", $"must be a number from {LowestRate} to {HighestRate}");
        var limit = int.MaxValue;
        if (fields.Has("limit", out var givenLimit) && (givenLimit.ValueKind != JsonValueKind.Number || !givenLimit.TryGetInt32(out limit) || limit < 1))
            fields.Errors.Add("limit", "must be a number from 1");
        if (fields.Errors.Problem is { } problem)
            return problem;

        var hash = BodyHash.Of(body.Content);
        var run = bulk.Start(key is null ? TaskIds.New() : DerivedId.Of("redrives", key), letters.OldestFirst(filter, limit), rate, hash);
        if (run.BodyHash != hash)
            return IdempotencyKey.UsedOtherwise(key!);
        var progress = $"/dead-letters/redrives/{run.Id}";
        return TypedResults.Accepted(progress, new RedriveAnswer(run.Id, run.Taken.Count, progress));
    }

    public static IResult Progress(string id, BulkRedrives bulk) =>
        bulk.Find(id) is { } run
            ? TypedResults.Ok(run.Progress)
            : new Problem(
                StatusCodes.Status404NotFound,
                $"This replica has no redrive '{id}'; if the replica has restarted, send the call again: it takes the dead letters that are still unresolved");

    public static async Task<IResult> DiscardAsync(string id, DeadLetterTable letters, RecordWriter writer, TimeProvider clock)
    {
        if (letters.Find(id) is not { } entry)
            return Unknown(id);
        if (entry.Redrives is [.., var redrive])
            return new Problem(StatusCodes.Status409Conflict, $"Dead letter '{id}' is already resolved: task '{redrive}' replaces it");
        var resolution = new DeadLetterResolution { TaskId = id, Action = DeadLetterAction.Discarded, RequestedBy = "http", At = clock.GetUtcNow() };
        if (!entry.IsResolved && !await writer.ResolveAsync(resolution))
            return Problem.NotTaken("Kafka did not acknowledge the discard in time; send it again, repeating it is harmless");
        letters.Add(resolution);
        return TypedResults.Accepted((string?)null, new DiscardAnswer(id, DeadLetterAction.Discarded));
    }

    private static Problem Unknown(string id) =>
        new(StatusCodes.Status404NotFound, $"There is no dead letter '{id}'; GET /dead-letters?resolved=all lists them");
}

using System.Globalization;
using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Repeating;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>What people do about tasks that will not be run again by themselves.</summary>
internal sealed class DeadLetterEndpoints(DeadLetterTable letters, Redriver redriver, BulkRedrives bulk, TaskWriter writer, TimeProvider clock)
{
    private const int DefaultLimit = 50;
    private const int MostLetters = 500;
    private const double HighestRate = 1000;

    public static IResult List(DeadLetterEndpoints endpoints, string? project, string? type, string? @class, string? reason, string? dealt, string? limit, string? after) =>
        endpoints.List(field => field switch { "project" => project, "type" => type, "class" => @class, _ => reason }, dealt, limit, after);

    public static IResult Get(string id, DeadLetterTable letters, CatalogueFile catalogue) =>
        letters.Find(id) is { } entry ? TypedResults.Ok(new DeadLetterDetail(entry, catalogue.Current)) : Unknown(id);

    public static async Task<IResult> RedriveAsync(string id, HttpRequest request, DeadLetterEndpoints endpoints) => await endpoints.RedriveOneAsync(id, request);

    public static async Task<IResult> RedriveManyAsync(HttpRequest request, DeadLetterEndpoints endpoints) => await endpoints.RedriveManyAsync(request);

    public static IResult Progress(string id, BulkRedrives bulk) =>
        bulk.Find(id) is { } run
            ? TypedResults.Ok(run.Progress)
            : new Problem(StatusCodes.Status404NotFound, $"This replica has no redrive '{id}'; if it has started since, send the call again, which takes what is still left");

    public static async Task<IResult> DiscardAsync(string id, DeadLetterEndpoints endpoints) => await endpoints.DiscardAsync(id);

    private IResult List(Func<string, string?> field, string? dealt, string? limit, string? after)
    {
        Dictionary<string, string[]> errors = [];
        bool? isDealtWith = dealt == "all" ? null : dealt == "true";
        var filter = DeadLetterFilter.Read(field, isDealtWith, errors);
        if (dealt is not (null or "" or "true" or "false" or "all"))
            errors["dealt"] = ["must be false (the default), true or all"];
        var most = DefaultLimit;
        if (!string.IsNullOrEmpty(limit) && (!int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out most) || most is < 1 or > MostLetters))
            errors["limit"] = [$"must be 1 to {MostLetters}"];
        var last = string.IsNullOrEmpty(after) ? null : letters.Find(after);
        if (!string.IsNullOrEmpty(after) && last is null)
            errors["after"] = ["must be the next of a page"];
        if (errors.Count > 0)
            return Problem.Invalid(errors);
        var found = letters.NewestFirst(filter, last, most + 1);
        return TypedResults.Ok(new DeadLetterPage([.. found.Take(most).Select(entry => new DeadLetterSummary(entry))], found.Count > most ? found[most - 1].Id : null));
    }

    private async Task<IResult> RedriveOneAsync(string id, HttpRequest request)
    {
        var (body, key, wrong) = await RepeatTask.ReadAsync(request);
        if (wrong is not null)
            return wrong;
        return letters.Find(id) is null ? Unknown(id) : await redriver.RedriveAsync(id, body!, key, "http", request.HttpContext.RequestAborted);
    }

    private async Task<IResult> RedriveManyAsync(HttpRequest request)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var body = JsonBody.IsMissing(request) ? default : await JsonBody.ReadAsync(request, [.. DeadLetterFilter.Fields, "rate", "limit"]);
        if (body.Problem is not null)
            return body.Problem;
        Dictionary<string, string[]> errors = [];
        var filter = DeadLetterFilter.Read(name => Text(body.Content, name, errors), isDealtWith: false, errors);
        var rate = RedriveTasks.DefaultRate;
        if (Given(body.Content, "rate") is { } givenRate && (givenRate.ValueKind != JsonValueKind.Number || !givenRate.TryGetDouble(out rate) || rate is not (> 0 and <= HighestRate)))
            errors["rate"] = [$"must be a number above 0, at most {HighestRate}"];
        var limit = int.MaxValue;
        if (Given(body.Content, "limit") is { } givenLimit && (givenLimit.ValueKind != JsonValueKind.Number || !givenLimit.TryGetInt32(out limit) || limit < 1))
            errors["limit"] = ["must be a number from 1"];
        if (errors.Count > 0)
            return Problem.Invalid(errors);

        var hash = BodyHash.Of(body.Content);
        var run = bulk.Start(key is null ? TaskIds.New() : DerivedId.Of("redrives", key), letters.OldestFirst(filter, limit), rate, hash);
        if (run.BodyHash != hash)
            return IdempotencyKey.UsedOtherwise(key!);
        var progress = $"/dead-letters/redrives/{run.Id}";
        return TypedResults.Accepted(progress, new RedriveAnswer(run.Id, run.Taken.Count, progress));
    }

    private async Task<IResult> DiscardAsync(string id)
    {
        if (letters.Find(id) is not { } entry)
            return Unknown(id);
        if (entry.Redrives is [.., var redrive])
            return new Problem(StatusCodes.Status409Conflict, $"Dead letter '{id}' is dealt with already: task '{redrive}' went on in its place");
        var dealing = new DeadLetterDealtWith { TaskId = id, Action = DeadLetterAction.Discarded, RequestedBy = "http", At = clock.GetUtcNow() };
        if (!entry.IsDealtWith && !await writer.DealWithAsync(dealing))
            return new Problem(StatusCodes.Status503ServiceUnavailable, "Kafka did not take it in time; ask again, twice is harmless") { RetryAfter = TimeSpan.FromSeconds(5) };
        letters.Add(dealing);
        return TypedResults.Accepted((string?)null, new DiscardAnswer(id, DeadLetterAction.Discarded));
    }

    private static string? Text(JsonElement body, string name, Dictionary<string, string[]> errors)
    {
        if (Given(body, name) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.String)
            return value.GetString();
        errors[name] = ["must be a string"];
        return null;
    }

    private static JsonElement? Given(JsonElement body, string name) =>
        body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static Problem Unknown(string id) => new(StatusCodes.Status404NotFound, $"There is no dead letter '{id}'; GET /dead-letters?dealt=all lists them");
}

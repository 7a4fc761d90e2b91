using System.ComponentModel;
using System.Text.Json;
using TaskPipeline.TaskApi.Submitting;

namespace TaskPipeline.TaskApi.Repeating;

/// <summary>The body of a replay and of a redrive; it may be left out.</summary>
public sealed record RepeatTask
{
    [Description("In place of the task's own, all of them. As the type's schema in GET /task-types says.")]
    public IReadOnlyDictionary<string, JsonElement>? Params { get; init; }

    internal string Hash { get; private init; } = BodyHash.Of(default);

    internal static async Task<(RepeatTask? Body, string? Key, Problem? Problem)> ReadAsync(HttpRequest request)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return (null, null, unfit);
        var (body, wrong) = await ReadBodyAsync(request);
        return (body, key, wrong);
    }

    private static async Task<(RepeatTask? Body, Problem? Problem)> ReadBodyAsync(HttpRequest request)
    {
        if (JsonBody.IsMissing(request))
            return (new RepeatTask(), null);
        var body = await JsonBody.ReadAsync(request, "params");
        if (body.Problem is not null)
            return (null, body.Problem);
        if (!body.Content.TryGetProperty("params", out var given) || given.ValueKind == JsonValueKind.Null)
            return (new RepeatTask(), null);
        if (given.ValueKind != JsonValueKind.Object)
            return (null, Problem.Invalid(new Dictionary<string, string[]> { ["params"] = ["must be an object"] }));
        return (new RepeatTask { Params = given.EnumerateObject().ToDictionary(param => param.Name, param => param.Value), Hash = BodyHash.Of(body.Content) }, null);
    }
}

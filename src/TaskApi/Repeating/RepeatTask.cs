using System.ComponentModel;
using System.Text.Json;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Repeating;

/// <summary>The optional body of a replay and of a redrive.</summary>
public sealed record RepeatTask
{
    [Description("Replaces all params of the task. The type's schema is in GET /task-types.")]
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
        var fields = new FieldReader(body.Content);
        var parameters = fields.Object("params");
        return fields.Errors.Problem is { } problem ? (null, problem)
            : (parameters is null ? new RepeatTask() : new RepeatTask { Params = parameters, Hash = BodyHash.Of(body.Content) }, null);
    }
}

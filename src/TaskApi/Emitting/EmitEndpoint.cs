using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Emitting;

/// <summary>
/// Adds a caller's own event to a task's timeline. The event counts only if its record precedes the task's <c>ended</c> in the partition of the
/// task's lines. So the answer waits until this replica has read the record back.
/// </summary>
internal static class EmitEndpoint
{
    public static async Task<IResult> PostAsync(string id, HttpRequest request, TaskTable table, TaskFinder finder, RecordWriter writer, TimeProvider clock)
    {
        var (key, unfit) = IdempotencyKey.Of(request);
        if (unfit is not null)
            return unfit;
        var (body, wrong) = await EmitEvent.ReadAsync(request);
        if (wrong is not null)
            return wrong;
        var (found, problem) = await finder.FindAsync(id, request.Query, request.HttpContext.RequestAborted);
        if (problem is not null)
            return problem;
        var emitted = new TaskEmitted
        {
            TaskId = id,
            EventId = key is null ? TaskIds.New() : DerivedId.Of(id, "emit", key),
            Name = body!.Name,
            Data = body.Data,
            At = clock.GetUtcNow(),
        };
        var (known, isOver) = table.Read(found!, task => (task.EmittedAs(emitted.EventId), task.HasEnded || task.IsEndRead));
        if (known is not null)
            return AnswerFor(known, emitted, key);
        if (isOver)
            return Ended(id);
        if (await writer.EmitAsync(emitted, found!.Lane) is not { } offset
            || !await finder.WaitUntilAsync(() => table.HasReadProgress(found.Lane, offset), request.HttpContext.RequestAborted))
            return Problem.NotTaken(
                $"Kafka did not acknowledge the event in time; it may still arrive. With an {IdempotencyKey.Header} it can be sent again safely");
        return table.Read(found, task => task.EmittedAs(emitted.EventId)) is { } counted ? AnswerFor(counted, emitted, key) : Ended(id);
    }

    private static IResult AnswerFor(TaskEmitted counted, TaskEmitted asked, string? key) =>
        key is not null && (counted.Name != asked.Name || !IsSame(counted.Data, asked.Data))
            ? IdempotencyKey.UsedOtherwise(key)
            : TypedResults.Accepted((string?)null, new EmitAnswer(counted.TaskId, counted.EventId));

    private static bool IsSame(JsonElement? left, JsonElement? right) => BodyHash.Of(left ?? default) == BodyHash.Of(right ?? default);

    private static Problem Ended(string id) =>
        new(StatusCodes.Status409Conflict, $"Task '{id}' has ended; its timeline takes no more events");
}

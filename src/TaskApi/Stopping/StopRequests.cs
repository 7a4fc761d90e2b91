using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Stopping;

/// <summary>The answer to a stop: the request is stored. The <c>end</c> event reports when the task has ended.</summary>
public sealed record StopAnswer(string TaskId, Status Status);

/// <summary>Requests the end of a task, for every transport. Repeating it is harmless; for an ended task the refusal says how it ended.</summary>
internal sealed partial class StopRequests(TaskTable table, Changes changes, RecordWriter writer, TimeProvider clock, ILogger<StopRequests> logger)
{
    /// <summary>Null: Kafka has the request.</summary>
    public async Task<Problem?> SendAsync(TrackedTask tracked, string requestedBy, string? reason = null, bool force = false, string? idempotencyKey = null)
    {
        if (table.Read(tracked, task => task.Committed) is { } end)
            return new Problem(StatusCodes.Status409Conflict, $"Task '{tracked.TaskId}' has already ended: {end.Status.Word()}");
        if (idempotencyKey is not null && table.Read(tracked, task => task.RequestOf(idempotencyKey)) is { } known)
            return (known.Signal, known.Force, known.Reason) == (ControlRecord.Stop, force, reason) ? null : IdempotencyKey.UsedOtherwise(idempotencyKey);
        var stop = new ControlRecord
        {
            TaskId = tracked.TaskId,
            Signal = ControlRecord.Stop,
            Lane = tracked.Lane,
            Force = force,
            RequestedBy = requestedBy,
            Reason = reason,
            IdempotencyKey = idempotencyKey,
            At = clock.GetUtcNow(),
        };
        if (!await writer.StopAsync(stop))
            return Problem.NotTaken("Kafka did not acknowledge the stop in time; send it again, repeating it is harmless");
        table.StopRequested(stop);   // known at once, without reading it back from Kafka
        changes.Publish();
        LogRequested(logger, tracked.TaskId, requestedBy);
        return table.Read(tracked, task => task.Committed) is { Status: not Status.Stopped and var status }
            ? new Problem(StatusCodes.Status409Conflict, $"Task '{tracked.TaskId}' has ended meanwhile: {status.Word()}")
            : null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Stop of task {TaskId} requested by {RequestedBy}")]
    private static partial void LogRequested(ILogger logger, string taskId, string requestedBy);
}

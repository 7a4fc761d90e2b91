using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Stopping;

/// <summary>The answer to a stop: it is on its way. The <c>end</c> event says when it has happened.</summary>
public sealed record StopAnswer(string TaskId, Status Status);

/// <summary>
/// Asks for the end of a task, on behalf of every transport. Asking again is harmless; asking for a task that has ended is refused with how it ended.
/// </summary>
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
            return Problem.NotTaken("Kafka did not take the stop in time; ask again, twice is harmless");
        table.StopRequested(stop);   // this replica need not read it back to know it
        changes.Publish();
        LogRequested(logger, tracked.TaskId, requestedBy);
        return table.Read(tracked, task => task.Committed) is { Status: not Status.Stopped and var status }
            ? new Problem(StatusCodes.Status409Conflict, $"Task '{tracked.TaskId}' has ended meanwhile: {status.Word()}")
            : null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Stop of task {TaskId} requested by {RequestedBy}")]
    private static partial void LogRequested(ILogger logger, string taskId, string requestedBy);
}

using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Pausing;

/// <summary>Requests the pause of a running task, or its resume. The later request counts; a request for what is in force writes nothing.</summary>
internal sealed partial class PauseRequests(TaskTable table, RecordWriter writer, TimeProvider clock, ILogger<PauseRequests> logger)
{
    /// <summary>Null: Kafka has the request.</summary>
    public async Task<Problem?> SendAsync(TrackedTask tracked, string signal, string requestedBy, string? idempotencyKey)
    {
        var (end, status, inForce) = table.Read(tracked, task => (task.Committed, task.Status, task.Pause?.Signal));
        if (end is not null)
            return new Problem(StatusCodes.Status409Conflict, $"Task '{tracked.TaskId}' has already ended: {end.Status.Word()}");
        if (idempotencyKey is not null && table.Read(tracked, task => task.RequestOf(idempotencyKey)) is { } known)
            return known.Signal == signal ? null : IdempotencyKey.UsedOtherwise(idempotencyKey);
        if (inForce == signal)
            return null;
        if (signal == ControlRecord.Pause ? status is not (Status.Starting or Status.Running) : inForce is null)
            return new Problem(
                StatusCodes.Status409Conflict,
                $"Task '{tracked.TaskId}' is {status.Word()}; only a running task can be paused, and only a paused task can be resumed");
        var request = new ControlRecord
        {
            TaskId = tracked.TaskId,
            Signal = signal,
            Lane = tracked.Lane,
            RequestedBy = requestedBy,
            IdempotencyKey = idempotencyKey,
            At = clock.GetUtcNow(),
        };
        if (!await writer.PauseAsync(request))
            return Problem.NotTaken("Kafka did not acknowledge the request in time; send it again, repeating it is harmless");
        table.PauseRequested(request);   // known at once, without reading it back from Kafka
        LogRequested(logger, signal, tracked.TaskId, requestedBy);
        return null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Signal} of task {TaskId} requested by {RequestedBy}")]
    private static partial void LogRequested(ILogger logger, string signal, string taskId, string requestedBy);
}

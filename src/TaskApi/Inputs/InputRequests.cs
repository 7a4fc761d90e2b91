using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Inputs;

/// <summary>Writes to the stdin of a running agent, for every transport. The worker reports when the agent has it.</summary>
internal sealed class InputRequests(TaskTable table, CatalogueFile catalogue, RecordWriter writer, TimeProvider clock)
{
    public async Task<(InputAnswer? Answer, Problem? Problem)> SendAsync(
        TrackedTask tracked, SendInput input, string requestedBy, string? idempotencyKey = null)
    {
        var (submission, status, attempt) = table.Read(tracked, task => (task.Submission!, task.Status, task.Attempt));
        if (catalogue.Current.Find(submission.Type, submission.Command) is not { TakesInput: true })
            return (null, new Problem(StatusCodes.Status409Conflict, $"Tasks of type '{submission.Type}' take no input; the type needs input: true"));
        var record = new TaskInput
        {
            TaskId = tracked.TaskId,
            Attempt = attempt,
            InputId = idempotencyKey is null ? TaskIds.New() : DerivedId.Of(tracked.TaskId, "input", idempotencyKey),
            Text = input.Text,
            Close = input.Close,
            RequestedBy = requestedBy,
            At = clock.GetUtcNow(),
        };
        if (idempotencyKey is not null && table.Read(tracked, task => task.InputAs(record.InputId)) is { } known)
            return (known.Text, known.Close) == (input.Text, input.Close)
                ? (new InputAnswer(tracked.TaskId, known.Attempt, known.InputId), null)
                : (null, IdempotencyKey.UsedOtherwise(idempotencyKey));
        if (status is not (Status.Starting or Status.Running or Status.Paused) || attempt == 0)
            return (null, new Problem(StatusCodes.Status409Conflict, $"Task '{tracked.TaskId}' is {status.Word()}; only a running agent takes input"));
        if (!await writer.InputAsync(record, tracked.Lane))
            return (null, Problem.NotTaken(
                $"Kafka did not acknowledge the input in time; it may still arrive. With an {IdempotencyKey.Header} it can be sent again safely"));
        if (idempotencyKey is not null)
            table.Asked(tracked, record);
        return (new InputAnswer(tracked.TaskId, attempt, record.InputId), null);
    }
}

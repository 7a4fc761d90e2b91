using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Repeating;

/// <summary>Makes a new task from an ended one, by the rules of the current catalogue.</summary>
internal sealed class TaskRepeater(CatalogueFile catalogue, IOptions<KafkaOptions> kafka, TimeProvider clock)
{
    public (TaskSubmission? Submission, Problem? Problem) Again(TaskSubmission task, RepeatTask body)
    {
        if (catalogue.Current.Find(task.Type, task.Command) is not { } type)
            return (null, new Problem(
                StatusCodes.Status409Conflict,
                $"The catalogue no longer has '{$"{task.Type} {task.Command}".TrimEnd()}'; put it back, or submit a new task"));
        var parameters = body.Params is { } edited ? new(edited) : task.Params;
        var previous = task.TypeHash is { } accepted && accepted != type.Hash ? accepted : null;
        var errors = type.Validate(parameters, clock.GetUtcNow(), kafka.Value.TaskRetention).GroupBy(error => error.Field, error => error.Message)
            .ToDictionary(field => field.Key, field => field.ToArray());
        if (errors.Count > 0)
            return (null, Problem.Invalid(errors, body.Params is not null ? null
                : $"{(previous is null ? "" : $"its type has changed since it was submitted (type_hash {type.Hash}, then {previous}); ")}send params "
                    + $"that match it: {{\"params\":{{…}}}}"));
        // Its times are in the past, and its number of the repetition is new.
        var again = new TaskSubmission
        {
            TaskId = task.TaskId,
            Project = task.Project,
            Type = type.Name,
            Command = type.Command,
            Params = parameters,
            Labels = task.Labels,
            Priority = task.Priority,
            Concurrency = task.Concurrency,
            TypeHash = type.Hash,
            PreviousTypeHash = previous,
            BodyHash = body.Hash,
        };
        return (type.Complete(again, clock.GetUtcNow()), null);
    }
}

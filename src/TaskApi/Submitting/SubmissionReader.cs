using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>Reads a submission strictly: everything that is not known or does not fit is named, all at once.</summary>
internal sealed class SubmissionReader
{
    private const int MostLabels = 32;
    private const int LongestLabel = 256;

    private readonly Dictionary<string, List<string>> _errors = [];
    private readonly JsonElement _body;

    private SubmissionReader(JsonElement body) => _body = body;

    public static async Task<(TaskSubmission? Submission, bool HasOwnId, Problem? Problem)> ReadAsync(HttpRequest request, TaskCatalogue catalogue)
    {
        var body = await JsonBody.ReadAsync(request, "project", "type", "command", "params", "task_id", "labels");
        return body.Problem is { } problem ? (null, false, problem) : new SubmissionReader(body.Content).Read(catalogue);
    }

    private (TaskSubmission?, bool, Problem?) Read(TaskCatalogue catalogue)
    {
        var project = Id("project") ?? "default";
        var taskId = Id("task_id");
        var labels = Labels();
        var parameters = Params();
        var type = TypeOf(catalogue, parameters);
        if (_errors.Count > 0)
            return (null, false, Problem.Invalid(_errors.ToDictionary(error => error.Key, error => error.Value.ToArray())));
        var submission = new TaskSubmission
        {
            TaskId = taskId ?? TaskIds.New(),
            Project = project,
            Type = type!.Name,
            Command = type.Command,
            Params = parameters,
            Labels = labels,
            TypeHash = type.Hash,
            BodyHash = BodyHash.Of(_body),
        };
        return (submission, taskId is not null, null);
    }

    private TaskType? TypeOf(TaskCatalogue catalogue, Dictionary<string, JsonElement> parameters)
    {
        var type = Text("type");
        var command = Text("command");
        if (_errors.ContainsKey("type") || _errors.ContainsKey("command"))
            return null;
        if (type is null)
            Wrong("type", $"is required: one of {Names(catalogue.Types)}");
        else if (catalogue.Find(type, command) is { } found)
        {
            foreach (var error in found.Validate(parameters))
                Wrong(error.Field, error.Message);
            return found;
        }
        else if (catalogue.Types.Where(known => known.Name == type).ToList() is { Count: > 0 } commands)
            Wrong("command", commands is [{ Command: null }] ? $"must be left out: {type} has no commands" : $"must be one of {string.Join(", ", commands.Select(known => known.Command))}");
        else
            Wrong("type", $"must be one of {Names(catalogue.Types)}, not '{type}'");
        return null;
    }

    private Dictionary<string, JsonElement> Params()
    {
        if (!_body.TryGetProperty("params", out var given) || given.ValueKind == JsonValueKind.Null)
            return [];
        if (given.ValueKind == JsonValueKind.Object)
            return given.EnumerateObject().ToDictionary(param => param.Name, param => param.Value);
        Wrong("params", "must be an object");
        return [];
    }

    private Dictionary<string, string>? Labels()
    {
        if (!_body.TryGetProperty("labels", out var given) || given.ValueKind == JsonValueKind.Null)
            return null;
        if (given.ValueKind != JsonValueKind.Object || given.EnumerateObject().Any(label => label.Value.ValueKind != JsonValueKind.String))
        {
            Wrong("labels", "must be an object of strings");
            return null;
        }
        var labels = given.EnumerateObject().ToDictionary(label => label.Name, label => label.Value.GetString()!);
        if (labels.Count > MostLabels || labels.Any(label => label.Key.Length > LongestLabel || label.Value.Length > LongestLabel))
            Wrong("labels", $"may be at most {MostLabels}, of {LongestLabel} characters each");
        return labels;
    }

    private string? Id(string field)
    {
        var id = Text(field);
        if (id is not null && !TaskIds.IsValid(id))
            Wrong(field, $"must be {TaskIds.Rule}");
        return id;
    }

    private string? Text(string field)
    {
        if (!_body.TryGetProperty(field, out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        if (value.ValueKind == JsonValueKind.String)
            return value.GetString();
        Wrong(field, "must be a string");
        return null;
    }

    private void Wrong(string field, string message)
    {
        if (!_errors.TryGetValue(field, out var messages))
            _errors[field] = messages = [];
        messages.Add(message);
    }

    private static string Names(IEnumerable<TaskType> types) => string.Join(", ", types.Select(type => type.Name).Distinct());
}

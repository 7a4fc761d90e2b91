using System.Globalization;
using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Submitting;

/// <summary>Reads a submission strictly: the answer names every unknown or invalid field at once.</summary>
internal sealed class SubmissionReader
{
    private const int MostLabels = 32;
    private const int LongestLabel = 256;
    private const int LongestKey = 200;
    private const int HighestLimit = 1000;
    private const string TimeExample = "such as 2026-03-01T09:30:00Z";
    private const string DurationExample = "such as 90s, 10m or 6h";
    private static readonly TimeSpan LongestDelay = TimeSpan.FromDays(365);
    private static readonly string[] TimeFormats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];   // RFC 3339

    private readonly JsonElement _body;
    private readonly FieldReader _fields;
    private readonly DateTimeOffset _now;
    private readonly TimeSpan _taskRetention;

    private SubmissionReader(JsonElement body, DateTimeOffset now, TimeSpan taskRetention) =>
        (_body, _fields, _now, _taskRetention) = (body, new FieldReader(body), now, taskRetention);

    public static async Task<(TaskSubmission? Submission, bool HasOwnId, Problem? Problem)> ReadAsync(
        HttpRequest request, TaskCatalogue catalogue, DateTimeOffset now, TimeSpan taskRetention)
    {
        var body = await JsonBody.ReadAsync(
            request, "project", "type", "command", "params", "task_id", "delay", "run_at", "start_by", "deadline", "priority", "concurrency", "labels");
        return body.Problem is { } problem ? (null, false, problem) : new SubmissionReader(body.Content, now, taskRetention).Read(catalogue);
    }

    private (TaskSubmission?, bool, Problem?) Read(TaskCatalogue catalogue)
    {
        var project = Id("project") ?? "default";
        var taskId = Id("task_id");
        var labels = Labels();
        var parameters = _fields.Object("params") ?? [];
        var runAt = RunAt();
        var startBy = Limit("start_by", runAt);
        var deadline = Limit("deadline", runAt);
        var priority = _fields.Errors.OneOf<Priority>("priority", Text("priority"));
        var concurrency = ConcurrencyOf();
        var type = TypeOf(catalogue, parameters, runAt);
        if (_fields.Errors.Problem is { } problem)
            return (null, false, problem);
        var submission = type!.Complete(new TaskSubmission
        {
            TaskId = taskId ?? TaskIds.New(),
            Project = project,
            Type = type.Name,
            Command = type.Command,
            Params = parameters,
            Labels = labels,
            RunAt = runAt,
            StartBy = startBy,
            Deadline = deadline,
            Priority = priority ?? type.Priority,
            Concurrency = concurrency,
            TypeHash = type.Hash,
            BodyHash = BodyHash.Of(_body),
        }, _now);
        return (submission, taskId is not null, null);
    }

    private TaskType? TypeOf(TaskCatalogue catalogue, Dictionary<string, JsonElement> parameters, DateTimeOffset? runAt)
    {
        var type = Text("type");
        var command = Text("command");
        if (_fields.Errors.Has("type") || _fields.Errors.Has("command"))
            return null;
        if (type is null)
            Wrong("type", $"is required: one of {Names(catalogue.Types)}");
        else if (catalogue.Find(type, command) is { } found)
        {
            foreach (var error in found.Validate(parameters, runAt ?? _now, _taskRetention))
                Wrong(error.Field, error.Message);
            return found;
        }
        else if (catalogue.Types.Where(known => known.Name == type).ToList() is { Count: > 0 } commands)
            Wrong("command", commands is [{ Command: null }]
                ? $"must be left out: {type} has no commands"
                : $"must be one of {string.Join(", ", commands.Select(known => known.Command))}");
        else
            Wrong("type", $"must be one of {Names(catalogue.Types)}, not '{type}'");
        return null;
    }

    /// <summary>Null: at once. A time in the past also means at once, so that a submission can be repeated.</summary>
    private DateTimeOffset? RunAt()
    {
        var runAt = Time("run_at");
        if (Delay() is { } delay)
        {
            if (runAt is not null)
                Wrong("delay", "and run_at cannot both be given: leave one out");
            return delay > TimeSpan.Zero ? _now + delay : null;
        }
        if (runAt > _now + LongestDelay)
            Wrong("run_at", $"must be at most {LongestDelay.Days} days ahead");
        return runAt > _now ? runAt : null;
    }

    private TimeSpan? Delay()
    {
        const string Rule = $"must be a duration {DurationExample}, or a number of seconds";
        if (!_fields.Has("delay", out var given))
            return null;
        var seconds = given.ValueKind == JsonValueKind.Number ? given.GetDouble() : given.ValueKind == JsonValueKind.String
            ? Quantity.Duration(given.GetString()!)?.TotalSeconds : null;
        if (seconds is null or < 0)
            Wrong("delay", Rule);
        else if (seconds > LongestDelay.TotalSeconds)
            Wrong("delay", $"must be at most {LongestDelay.Days} days");
        else
            return TimeSpan.FromSeconds(seconds.Value);
        return null;
    }

    /// <summary>A time, or a duration from the task's planned start; it must be after that start.</summary>
    private DateTimeOffset? Limit(string field, DateTimeOffset? runAt)
    {
        var from = runAt ?? _now;
        var limit = Text(field) is not { } text ? null : Quantity.Duration(text) is { } duration ? from + duration : Time(field);
        if (limit is null || limit > from)
            return limit;
        Wrong(field, runAt is null ? "must be in the future" : $"must be after the time at which the task is to run, {runAt:yyyy-MM-ddTHH:mm:ssZ}");
        return null;
    }

    private DateTimeOffset? Time(string field)
    {
        if (Text(field) is not { } text)
            return null;
        if (DateTimeOffset.TryParseExact(
            text, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
            return time;
        Wrong(field, field == "run_at" ? $"must be a time {TimeExample}" : $"must be a time {TimeExample}, or a duration {DurationExample}");
        return null;
    }

    private Concurrency? ConcurrencyOf()
    {
        if (!_fields.Has("concurrency", out var given))
            return null;
        if (given.ValueKind != JsonValueKind.Object || given.EnumerateObject().Any(field => field.Name is not ("key" or "limit")))
        {
            Wrong("concurrency", """must be {"key":"…","limit":1}""");
            return null;
        }
        var key = given.TryGetProperty("key", out var text) && text.ValueKind == JsonValueKind.String ? text.GetString()! : "";
        if (key.Length is 0 or > LongestKey)
            Wrong("concurrency.key", $"must be a string of 1 to {LongestKey} characters");
        var limit = 1;
        if (given.TryGetProperty("limit", out var number)
            && (number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out limit) || limit is < 1 or > HighestLimit))
            Wrong("concurrency.limit", $"must be 1 to {HighestLimit}");
        return new Concurrency(key, limit);
    }

    private Dictionary<string, string>? Labels()
    {
        if (!_fields.Has("labels", out var given))
            return null;
        if (given.ValueKind != JsonValueKind.Object || given.EnumerateObject().Any(label => label.Value.ValueKind != JsonValueKind.String))
        {
            Wrong("labels", "must be an object of strings");
            return null;
        }
        var labels = given.EnumerateObject().ToDictionary(label => label.Name, label => label.Value.GetString()!);
        if (labels.Count > MostLabels || labels.Any(label => label.Key.Length > LongestLabel || label.Value.Length > LongestLabel))
            Wrong("labels", $"can be at most {MostLabels}, of at most {LongestLabel} characters each");
        return labels;
    }

    private string? Id(string field)
    {
        var id = Text(field);
        if (id is not null && !TaskIds.IsValid(id))
            Wrong(field, $"must be {TaskIds.Rule}");
        return id;
    }

    private string? Text(string field) => _fields.Text(field);

    private void Wrong(string field, string message) => _fields.Errors.Add(field, message);

    private static string Names(IEnumerable<TaskType> types) => string.Join(", ", types.Select(type => type.Name).Distinct());
}

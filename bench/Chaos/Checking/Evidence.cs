using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>Everything that is known about a run from outside: accepted tasks, records in the topics, marks of the agents, events of the watchers.</summary>
internal sealed record Evidence
{
    /// <summary>Ids of the tasks that an API has answered with 2xx.</summary>
    public required IReadOnlyCollection<string> Accepted { get; init; }

    public required IReadOnlyCollection<LogRecord> Records { get; init; }

    /// <summary>Odd records were written on purpose, so the topics can contain anything about tasks that no API has accepted.</summary>
    public bool IsPoisoned { get; init; }

    public IReadOnlyCollection<Mark> Marks { get; init; } = [];

    public IReadOnlyCollection<Watched> Watched { get; init; } = [];

    /// <summary>Descriptions of processes that outlived the run.</summary>
    public IReadOnlyCollection<string> Left { get; init; } = [];

    /// <summary>The expected result of each task type.</summary>
    public required IReadOnlyDictionary<string, TypeRule> Types { get; init; }
}

/// <param name="Attempts">How many attempts can be charged to a task of this type.</param>
/// <param name="Status">The final status of such a task if nobody stops it.</param>
internal sealed record TypeRule(int Attempts, string Status);

/// <summary>A record of Kafka. Records of aborted transactions are not included.</summary>
/// <param name="Topic">Name without the pipeline's prefix.</param>
internal sealed record LogRecord(string Topic, int Lane, long Offset, string? Key, string? Value)
{
    public const string Tasks = "tasks";
    public const string Progress = "task-progress";
    public const string State = "task-state";
    public const string Control = "task-control";

    /// <summary>Null for a tombstone, and for a value that is not a JSON object.</summary>
    public JsonElement? Json { get; } = Parse(Value);

    public override string ToString() => $"{Topic}[{Lane}]@{Offset} {Key}: {Value}";

    private static JsonElement? Parse(string? value)
    {
        try
        {
            return value is not null && JsonElement.Parse(value) is { ValueKind: JsonValueKind.Object } json ? json : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>A mark that an agent has written about itself, ordered by time.</summary>
/// <param name="At">Time in nanoseconds.</param>
/// <param name="Lock">The lock that only one agent can hold at a time; null: it holds none.</param>
/// <param name="IsHeld">At a start: whether another process held the lock.</param>
internal sealed record Mark(string TaskId, int Attempt, bool IsStart, long At, string? Lock, bool IsHeld);

/// <summary>The events that one watcher received of one task, over all its connections.</summary>
internal sealed record Watched(string TaskId, IReadOnlyList<JsonElement> Events);

internal enum Violation
{
    Lost,
    EndedTwice,
    WrongEnd,
    EndWithoutOutcome,
    WrongAttempts,
    RerunAfterOutcome,
    LinesMissing,
    Overlap,
    ProcessLeft,
}

/// <summary>A violation of a guarantee.</summary>
/// <param name="TaskId">Empty if it does not belong to a task.</param>
internal sealed record Finding(Violation Violation, string TaskId, string What);

internal static class JsonFields
{
    /// <summary>Null if it is missing, of another type, or not valid text.</summary>
    public static string? Text(this JsonElement json, string field)
    {
        try
        {
            return json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;   // such as half of a surrogate pair
        }
    }

    public static long? Number(this JsonElement json, string field) =>
        json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;

    public static IEnumerable<JsonElement> Items(this JsonElement json, string field) =>
        json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [];
}

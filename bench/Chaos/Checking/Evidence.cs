using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>Everything that is known of a run from outside: what was accepted, what lies in the topics, what the agents noted, what watchers saw.</summary>
internal sealed record Evidence
{
    /// <summary>Ids of the tasks that an API has answered with 2xx.</summary>
    public required IReadOnlyCollection<string> Accepted { get; init; }

    public required IReadOnlyCollection<LogRecord> Records { get; init; }

    /// <summary>Odd records were written on purpose: of tasks that no API has accepted, the topics tell anything.</summary>
    public bool IsPoisoned { get; init; }

    public IReadOnlyCollection<Mark> Marks { get; init; } = [];

    public IReadOnlyCollection<Watched> Watched { get; init; } = [];

    /// <summary>Processes of the run that outlived it, in words.</summary>
    public IReadOnlyCollection<string> Left { get; init; } = [];

    /// <summary>Task type → what its tasks come to.</summary>
    public required IReadOnlyDictionary<string, TypeRule> Types { get; init; }
}

/// <param name="Attempts">How many may be charged to a task of this type.</param>
/// <param name="Status">How such a task ends that nobody stops.</param>
internal sealed record TypeRule(int Attempts, string Status);

/// <summary>A record as it lies in Kafka; one of a transaction only where that was committed.</summary>
/// <param name="Topic">Without the pipeline's prefix.</param>
internal sealed record LogRecord(string Topic, int Lane, long Offset, string? Key, string? Value)
{
    public const string Tasks = "tasks";
    public const string Progress = "task-progress";
    public const string State = "task-state";
    public const string Control = "task-control";

    /// <summary>Null where it is a tombstone or no JSON object.</summary>
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

/// <summary>What an agent has noted of itself, in the order of the clock.</summary>
/// <param name="At">Nanoseconds.</param>
/// <param name="Lock">What only one agent may hold at a time; null: it holds nothing.</param>
/// <param name="IsHeld">Of a start: somebody else held it.</param>
internal sealed record Mark(string TaskId, int Attempt, bool IsStart, long At, string? Lock, bool IsHeld);

/// <summary>The events that one watcher got of one task, over all its connections.</summary>
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

/// <summary>Something that must not be.</summary>
/// <param name="TaskId">Empty where it is no task's.</param>
internal sealed record Finding(Violation Violation, string TaskId, string What);

internal static class JsonFields
{
    /// <summary>Null where it is missing, of another type, or no text.</summary>
    public static string? Text(this JsonElement json, string field)
    {
        try
        {
            return json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;   // half of a surrogate pair, for one
        }
    }

    public static long? Number(this JsonElement json, string field) =>
        json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;

    public static IEnumerable<JsonElement> Items(this JsonElement json, string field) =>
        json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [];
}

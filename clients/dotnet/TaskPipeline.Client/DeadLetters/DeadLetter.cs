using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>A task that is not run again by itself, or a record that nobody could read.</summary>
public record DeadLetter
{
    /// <summary>The task's id, or <c>raw-…</c> of a record that nobody could read.</summary>
    public required string Id { get; init; }

    /// <summary>The task's project.</summary>
    public string? Project { get; init; }

    /// <summary>The task's type.</summary>
    public string? Type { get; init; }

    /// <summary>The task's command.</summary>
    public string? Command { get; init; }

    /// <summary>What a person needs to know of the failure.</summary>
    public required string Error { get; init; }

    /// <summary>Why the task ended.</summary>
    public string? Reason { get; init; }

    /// <summary>Whose failure it was.</summary>
    public string? Class { get; init; }

    /// <summary>Of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>When it was put here.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The last that was done about it: <c>redriven</c>, <c>discarded</c>.</summary>
    public string? Resolution { get; init; }

    /// <summary>The tasks that went on in its place.</summary>
    public IReadOnlyList<string>? Redrives { get; init; }

    /// <summary>Fields that this version does not know.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? More { get; set; }
}

/// <summary>All that is known of a dead letter.</summary>
public sealed record DeadLetterDetail : DeadLetter
{
    /// <summary>The task's params.</summary>
    public JsonObject? Params { get; init; }

    /// <summary>The task's labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Each run of its agent.</summary>
    public IReadOnlyList<TaskAttempt>? Attempts { get; init; }

    /// <summary>Hash of its type, by which a redrive runs; missing where there is no such type any more.</summary>
    public string? TypeHash { get; init; }

    /// <summary>What it was when the task was submitted; only where it has changed.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The type is not what it was when the task was submitted.</summary>
    public bool TypeChanged { get; init; }

    /// <summary>The last lines of its last attempt's stderr.</summary>
    public string? OutputTail { get; init; }

    /// <summary>The record as it was found, in base64, where nobody could read it; of a large one the beginning.</summary>
    public string? Raw { get; init; }

    /// <summary>Bytes of that record.</summary>
    public long? RawBytes { get; init; }

    /// <summary>What is not kept because Kafka would not have taken it, such as <c>artifacts</c>, <c>errors</c>, <c>params</c> or <c>raw</c>.</summary>
    public IReadOnlyList<string>? LeftOut { get; init; }
}

internal sealed record DeadLetterPage
{
    public required IReadOnlyList<DeadLetter> DeadLetters { get; init; }
    public string? Next { get; init; }
}

/// <summary>Which dead letters to list; what is missing does not matter.</summary>
public sealed record DeadLetterFilter
{
    /// <summary>Those of one project.</summary>
    public string? Project { get; init; }

    /// <summary>Those of one type.</summary>
    public string? Type { get; init; }

    /// <summary>Those whose failure it was.</summary>
    public string? Class { get; init; }

    /// <summary>Those that ended for this reason.</summary>
    public string? Reason { get; init; }

    /// <summary>Also those that are resolved.</summary>
    public bool IncludeResolved { get; init; }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>A task that is not retried, or a record that could not be read.</summary>
public record DeadLetter
{
    /// <summary>The task's id, or <c>raw-…</c> for a record that could not be read.</summary>
    public required string Id { get; init; }

    /// <summary>The task's project.</summary>
    public string? Project { get; init; }

    /// <summary>The task's type.</summary>
    public string? Type { get; init; }

    /// <summary>The task's command.</summary>
    public string? Command { get; init; }

    /// <summary>Description of the failure, for people.</summary>
    public required string Error { get; init; }

    /// <summary>Why the task ended.</summary>
    public string? Reason { get; init; }

    /// <summary>Failure class: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }

    /// <summary>Exit code of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>When it became a dead letter.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The latest action on it: <c>redriven</c> or <c>discarded</c>.</summary>
    public string? Resolution { get; init; }

    /// <summary>Ids of the tasks that replaced it, in order.</summary>
    public IReadOnlyList<string>? Redrives { get; init; }

    /// <summary>Fields that this version does not know.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? More { get; set; }
}

/// <summary>All details of a dead letter.</summary>
public sealed record DeadLetterDetail : DeadLetter
{
    /// <summary>The task's params.</summary>
    public JsonObject? Params { get; init; }

    /// <summary>The task's labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Its attempts.</summary>
    public IReadOnlyList<TaskAttempt>? Attempts { get; init; }

    /// <summary>Hash of its type, which a redrive uses; null if the type no longer exists.</summary>
    public string? TypeHash { get; init; }

    /// <summary>The hash when the task was submitted; only if it has changed.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>Whether the type has changed since the task was submitted.</summary>
    public bool TypeChanged { get; init; }

    /// <summary>The last stderr lines of its last attempt.</summary>
    public string? OutputTail { get; init; }

    /// <summary>The record that could not be read, in base64; only the beginning if it is large.</summary>
    public string? Raw { get; init; }

    /// <summary>Size of that record in bytes.</summary>
    public long? RawBytes { get; init; }

    /// <summary>
    /// Fields that were left out because the record was too large for Kafka, such as <c>artifacts</c>, <c>errors</c>, <c>params</c> or <c>raw</c>.
    /// </summary>
    public IReadOnlyList<string>? LeftOut { get; init; }
}

internal sealed record DeadLetterPage
{
    public required IReadOnlyList<DeadLetter> DeadLetters { get; init; }
    public string? Next { get; init; }
}

/// <summary>Which dead letters to list; null does not filter.</summary>
public sealed record DeadLetterFilter
{
    /// <summary>Only this project.</summary>
    public string? Project { get; init; }

    /// <summary>Only this type.</summary>
    public string? Type { get; init; }

    /// <summary>Only this failure class: <c>permanent</c>, <c>transient</c> or <c>terminated</c>.</summary>
    public string? Class { get; init; }

    /// <summary>Only this reason.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether to include resolved dead letters.</summary>
    public bool IncludeResolved { get; init; }
}

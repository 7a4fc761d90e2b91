using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>The task has ended. Comes exactly once, as the last event.</summary>
public sealed record EndEvent : WatchEvent
{
    /// <summary>The final status.</summary>
    public required Status Status { get; init; }

    /// <summary>Why it ended, such as <c>exit_code</c> or <c>user_request</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>Exit code of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended its agent.</summary>
    public string? Signal { get; init; }

    /// <summary>Description of the failure, for people.</summary>
    public string? Error { get; init; }

    /// <summary>The attempt that decided the end; 0 if none was started.</summary>
    public required int Attempt { get; init; }

    /// <summary>How many lines that attempt printed, including those in gaps.</summary>
    public required long Lines { get; init; }

    /// <summary>Hash of the lines that were published; null if not all of them are known.</summary>
    public string? Hash { get; init; }

    /// <summary>The result that its agent reported.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When a stop was requested, if one was.</summary>
    public DateTimeOffset? StopRequestedAt { get; init; }

    /// <summary>Whether the task had ended by itself before that stop arrived.</summary>
    public bool StopTooLate { get; init; }

    /// <summary>The task's project.</summary>
    public string? Project { get; init; }

    /// <summary>Whether this watch has proven that it returned every line of the deciding attempt.</summary>
    [JsonIgnore]
    public bool IsVerified => Verification == Verification.Verified;

    /// <summary>The same, with the reason if it could not be proven.</summary>
    [JsonIgnore]
    public Verification Verification { get; internal set; }
}

/// <summary>Whether the lines of a task are proven to be complete.</summary>
public enum Verification
{
    /// <summary>There is no hash: no attempt was started, or its worker was lost.</summary>
    NoHash,

    /// <summary>Some lines were not received: the watch began later or left streams out, or the server no longer has them.</summary>
    NotAllSeen,

    /// <summary>Every line was received as it was printed.</summary>
    Verified,
}

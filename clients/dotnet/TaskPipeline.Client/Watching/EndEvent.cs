using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>The task has ended: exactly once, and last of all.</summary>
public sealed record EndEvent : WatchEvent
{
    /// <summary>How.</summary>
    public required Status Status { get; init; }

    /// <summary>Why, such as <c>exit_code</c> or <c>user_request</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>Of its agent.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended its agent.</summary>
    public string? Signal { get; init; }

    /// <summary>What a person needs to know of a failure.</summary>
    public string? Error { get; init; }

    /// <summary>The attempt that decided; 0 where none was started.</summary>
    public required int Attempt { get; init; }

    /// <summary>How many lines that attempt has printed, with those in gaps.</summary>
    public required long Lines { get; init; }

    /// <summary>Of the lines that it has published; missing where nobody knows them all.</summary>
    public string? Hash { get; init; }

    /// <summary>What its agent gave as the result.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>When somebody asked for its stop, where somebody did.</summary>
    public DateTimeOffset? StopRequestedAt { get; init; }

    /// <summary>Whether it had ended by itself before that stop came.</summary>
    public bool StopTooLate { get; init; }

    /// <summary>The task's project.</summary>
    public string? Project { get; init; }

    /// <summary>Whether this watch has proven that it has told every line of the attempt that decided.</summary>
    [JsonIgnore]
    public bool IsVerified => Verification == Verification.Verified;

    /// <summary>The same, with the reason where it could not be proven.</summary>
    [JsonIgnore]
    public Verification Verification { get; internal set; }
}

/// <summary>Whether the lines of a task are proven to be all that there were.</summary>
public enum Verification
{
    /// <summary>The server gives no hash: no attempt was started, or its worker was lost.</summary>
    NoHash,

    /// <summary>Some lines were not told: the watch began later, left streams out, or the server has them no more.</summary>
    NotAllSeen,

    /// <summary>Every line is there, as it was printed.</summary>
    Verified,
}

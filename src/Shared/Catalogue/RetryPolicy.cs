using System.Globalization;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>Whether another attempt follows a failed one.</summary>
public sealed record RetryPolicy
{
    /// <summary>Attempts of a task, without those that were lost with their worker.</summary>
    public int Attempts { get; init; } = 1;

    /// <summary>How many attempts can be lost, with their workers or by a SIGKILL from outside, before the task is dead-lettered.</summary>
    public int Lost { get; init; } = 3;

    public OnLost OnLost { get; init; }

    /// <summary>Exit codes after which there is no further attempt.</summary>
    public IReadOnlyList<int> FinalExitCodes { get; init; } = [];

    public Backoff Backoff { get; init; } = new();

    /// <summary>The first rule that matches an outcome applies.</summary>
    public IReadOnlyList<RetryRule> Rules { get; init; } = [];

    /// <summary>Whether this policy names the exit code or signal.</summary>
    public bool Names(int exitCode, string? signal) =>
        FinalExitCodes.Contains(exitCode) || Rules.Any(rule => rule.ExitCodes.Contains(exitCode) || (signal is not null && rule.Signals.Contains(signal)));

    /// <summary>What follows a failed outcome, if there are attempts left, and the class of the failure.</summary>
    public (AfterFailure Then, FailureClass Class) Judge(AttemptExited outcome)
    {
        var usual = outcome.Reason switch
        {
            EndReason.SpawnFailed or EndReason.OutputLimit or EndReason.DiskLimit or EndReason.ProcessLimit => FailureClass.Permanent,
            EndReason.ExitCode when outcome.ExitCode is { } code && FinalExitCodes.Contains(code) => FailureClass.Permanent,
            EndReason.ExitCode when outcome.Signal is null => FailureClass.Transient,
            EndReason.ResultError => FailureClass.Transient,
            _ => FailureClass.Terminated,
        };
        return Rules.FirstOrDefault(rule => rule.Fits(outcome)) is { } rule ? (rule.Then, rule.Class ?? usual)
            : outcome.ExitCode is { } final && FinalExitCodes.Contains(final) ? (AfterFailure.End, usual)
            : (AfterFailure.Retry, usual);
    }
}

/// <summary>What follows when an attempt was lost with its worker.</summary>
public enum OnLost
{
    Retry,
    Fail,

    /// <summary>A person decides: for tasks that must not run twice.</summary>
    Hold,
}

public enum AfterFailure
{
    Retry,
    DeadLetter,
    End,
}

/// <summary>All given conditions must match.</summary>
public sealed record RetryRule(AfterFailure Then)
{
    private const NumberStyles JsonNumber = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    public IReadOnlyList<int> ExitCodes { get; init; } = [];

    /// <summary>Names such as <c>SIGSEGV</c>.</summary>
    public IReadOnlyList<string> Signals { get; init; } = [];

    public IReadOnlyList<EndReason> Reasons { get; init; } = [];

    /// <summary>Members that the agent's last JSON line must have, with their values as text in the file.</summary>
    public IReadOnlyDictionary<string, string?> Event { get; init; } = new Dictionary<string, string?>();

    public FailureClass? Class { get; init; }

    internal bool Fits(AttemptExited outcome) =>
        (ExitCodes.Count == 0 || (outcome.Reason == EndReason.ExitCode && outcome.ExitCode is { } code && ExitCodes.Contains(code)))
        && (Signals.Count == 0 || (outcome.Signal is { } signal && Signals.Contains(signal)))
        && (Reasons.Count == 0 || Reasons.Contains(outcome.Reason))
        && Event.All(member => outcome.Event is { ValueKind: JsonValueKind.Object } said && said.TryGetProperty(member.Key, out var value)
            && IsSame(value, member.Value));

    /// <summary>
    /// Compares by the type of the agent's value: text literally, numbers by value, <c>true</c> and <c>false</c> by the word. Quotes around the value
    /// in the file make no difference, because earlier versions read all of them as text.
    /// </summary>
    private static bool IsSame(JsonElement said, string? wanted) => said.ValueKind switch
    {
        JsonValueKind.True or JsonValueKind.False => said.GetRawText().Equals(wanted, StringComparison.OrdinalIgnoreCase),
        JsonValueKind.Number => said.GetRawText() == wanted || IsSameNumber(said.GetRawText(), wanted),
        JsonValueKind.Null => string.IsNullOrEmpty(wanted),
        _ => said.ToString() == wanted,
    };

    private static bool IsSameNumber(string said, string? wanted) =>
        decimal.TryParse(said, JsonNumber, CultureInfo.InvariantCulture, out var exact)
            && decimal.TryParse(wanted, JsonNumber, CultureInfo.InvariantCulture, out var other) ? exact == other
        : double.TryParse(said, JsonNumber, CultureInfo.InvariantCulture, out var near)
            && double.TryParse(wanted, JsonNumber, CultureInfo.InvariantCulture, out var otherNear) && near == otherNear;
}

/// <summary>The wait before the next attempt: each is <paramref name="Factor"/> times the previous one, up to <paramref name="Max"/>.</summary>
/// <param name="Jitter">Random share of the wait, so that tasks that failed together are not retried together: 0.2 means 80 to 120 %.</param>
public sealed record Backoff(TimeSpan First, double Factor, TimeSpan Max, double Jitter)
{
    public Backoff() : this(TimeSpan.FromSeconds(1), 2, TimeSpan.FromMinutes(5), 0.2)
    {
    }

    /// <param name="failures">Number of failed attempts, from 1.</param>
    /// <param name="chance">Random, from 0 to 1.</param>
    public TimeSpan Wait(int failures, double chance)
    {
        var usual = Math.Min(First.TotalMilliseconds * Math.Pow(Factor, failures - 1), Max.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(usual * (1 + (Jitter * ((2 * chance) - 1))));
    }
}

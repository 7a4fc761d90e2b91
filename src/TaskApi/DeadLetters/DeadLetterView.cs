using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Listing;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>A dead letter as lists show it.</summary>
public record DeadLetterSummary
{
    /// <summary>The task's id, or <c>raw-{lane}-{offset}</c> for a record that could not be read.</summary>
    public required string Id { get; init; }

    public string? Project { get; init; }
    public string? Type { get; init; }
    public string? Command { get; init; }

    /// <summary>The failure in one sentence for a person.</summary>
    public required string Error { get; init; }

    /// <summary>How the task ended; missing where there was no task.</summary>
    public EndReason? Reason { get; init; }

    public FailureClass? Class { get; init; }
    public int? ExitCode { get; init; }
    public required DateTimeOffset At { get; init; }

    /// <summary>Partition and offset of the task's record in Kafka.</summary>
    public required int Lane { get; init; }
    public required long Offset { get; init; }

    /// <summary>The latest resolution.</summary>
    public DeadLetterAction? Resolution { get; init; }

    /// <summary>The tasks that were submitted in its place, in order.</summary>
    public IReadOnlyList<string>? Redrives { get; init; }

    [SetsRequiredMembers]
    internal DeadLetterSummary(DeadLetterEntry entry)
    {
        var letter = entry.Letter;
        Id = entry.Id;
        Project = letter.Task?.Project;
        Type = letter.Task?.Type;
        Command = letter.Task?.Command;
        Error = letter.Error;
        Reason = letter.Reason;
        Class = letter.Class;
        ExitCode = letter.ExitCode;
        At = letter.At;
        Lane = letter.Lane;
        Offset = letter.Offset;
        Resolution = entry.Resolutions is [.., var last] ? last.Action : null;
        Redrives = entry.Redrives.Count > 0 ? entry.Redrives : null;
    }
}

/// <summary>Everything known about a dead letter.</summary>
public sealed record DeadLetterDetail : DeadLetterSummary
{
    public IReadOnlyDictionary<string, JsonElement>? Params { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public required IReadOnlyList<AttemptView> Attempts { get; init; }

    /// <summary>
    /// Hash of its type in this API's catalogue, by which a redrive would run; the same as <c>hash</c> in <c>GET /task-types</c>. Missing if the type
    /// no longer exists.
    /// </summary>
    public string? TypeHash { get; init; }

    /// <summary>The hash at submission, if it has changed since.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The type has changed since the task was submitted.</summary>
    public bool? TypeChanged { get; init; }

    /// <summary>The last lines of the last attempt's stderr.</summary>
    public string? OutputTail { get; init; }

    /// <summary>A record that could not be read, in base64; only the beginning of a large one.</summary>
    public string? Raw { get; init; }

    /// <summary>Size of that record in bytes.</summary>
    public long? RawBytes { get; init; }

    /// <summary>
    /// Parts left out because the record was too large for Kafka: <c>artifacts</c>, <c>errors</c>, <c>result</c>, <c>attempts</c>, <c>params</c>, <c>raw</c>.
    /// </summary>
    public IReadOnlyList<string>? LeftOut { get; init; }

    [SetsRequiredMembers]
    internal DeadLetterDetail(DeadLetterEntry entry, TaskCatalogue catalogue) : base(entry)
    {
        var letter = entry.Letter;
        Params = letter.Task?.Params;
        Labels = letter.Task?.Labels;
        Attempts = [.. letter.Attempts.Select(AttemptView.Of)];
        TypeHash = letter.Task is { } task ? catalogue.Find(task.Type, task.Command)?.Hash : null;
        if (letter.Task?.TypeHash is { } accepted && accepted != TypeHash)
            (PreviousTypeHash, TypeChanged) = (accepted, true);
        OutputTail = letter.OutputTail;
        Raw = letter.Raw;
        RawBytes = letter.RawBytes;
        LeftOut = letter.LeftOut;
    }
}

/// <summary>A page of dead letters, newest first.</summary>
/// <param name="Next">Send it as <c>after</c> to get the next page; missing on the last page.</param>
public sealed record DeadLetterPage(IReadOnlyList<DeadLetterSummary> DeadLetters, string? Next = null);

/// <summary>The answer to a discard.</summary>
public sealed record DiscardAnswer(string Id, DeadLetterAction Resolution);

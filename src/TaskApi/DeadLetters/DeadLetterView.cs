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
    /// <summary>The task's id, or <c>raw-{lane}-{offset}</c> of a record that nobody could read.</summary>
    public required string Id { get; init; }

    public string? Project { get; init; }
    public string? Type { get; init; }
    public string? Command { get; init; }

    /// <summary>What a person needs to know of the failure.</summary>
    public required string Error { get; init; }

    /// <summary>How the task ended; missing where there was no task.</summary>
    public EndReason? Reason { get; init; }

    public FailureClass? Class { get; init; }
    public int? ExitCode { get; init; }
    public required DateTimeOffset At { get; init; }

    /// <summary>Partition and offset of the task's record in Kafka.</summary>
    public required int Lane { get; init; }
    public required long Offset { get; init; }

    /// <summary>The last that was done about it.</summary>
    public DeadLetterAction? Resolution { get; init; }

    /// <summary>The tasks that went on in its place, in order.</summary>
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

/// <summary>Everything known of a dead letter.</summary>
public sealed record DeadLetterDetail : DeadLetterSummary
{
    public IReadOnlyDictionary<string, JsonElement>? Params { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public required IReadOnlyList<AttemptView> Attempts { get; init; }

    /// <summary>
    /// Hash of its type in this API's catalogue, by which a redrive runs; as <c>hash</c> in <c>GET /task-types</c>. Missing: there is no such type
    /// any more.
    /// </summary>
    public string? TypeHash { get; init; }

    /// <summary>What it was when the task was submitted; only where it has changed.</summary>
    public string? PreviousTypeHash { get; init; }

    /// <summary>The type is not what it was when the task was submitted.</summary>
    public bool? TypeChanged { get; init; }

    /// <summary>The last lines of the last attempt's stderr.</summary>
    public string? OutputTail { get; init; }

    /// <summary>The record as it was found, in base64, where nobody could read it; of a large one the beginning.</summary>
    public string? Raw { get; init; }

    /// <summary>Bytes of that record.</summary>
    public long? RawBytes { get; init; }

    /// <summary>
    /// What is not here because Kafka would not have taken it: <c>artifacts</c>, <c>errors</c>, <c>result</c>, <c>attempts</c>, <c>params</c>,
    /// <c>raw</c>.
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
/// <param name="Next">Give it as <c>after</c> for the next page; where it is missing there is none.</param>
public sealed record DeadLetterPage(IReadOnlyList<DeadLetterSummary> DeadLetters, string? Next = null);

/// <summary>The answer to a discard.</summary>
public sealed record DiscardAnswer(string Id, DeadLetterAction Resolution);

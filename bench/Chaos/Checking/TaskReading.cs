using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>What the valid records say about one task, and what is wrong with their order.</summary>
internal sealed class TaskReading(string taskId, Action<Finding> report)
{
    private static readonly string[] NeedAnOutcome = ["exit_code", "time_limit", "output_limit", "memory_limit"];

    private readonly List<AttemptReading> _attempts = [];
    private readonly List<EndReading> _ends = [];

    public string TaskId => taskId;

    public IReadOnlyList<AttemptReading> Attempts => _attempts;

    public IReadOnlyList<EndReading> Ends => _ends;

    public AttemptReading? Open => _attempts is [.., { Reason: null } last] ? last : null;

    public void Read(string? kind, int number, JsonElement json)
    {
        switch (kind)
        {
            case "starting":
                Start(number, json);
                break;
            case "lines" when IsOpen(number):
                foreach (var line in json.Items("lines").Where(line => line.Number("seq") > Open!.Lines.Last))
                    if (Open!.Lines.Add(line) is { } wrong)
                        Report(Violation.LinesMissing, $"attempt {number}: {wrong}");
                break;
            case "exited" when IsOpen(number):
                if (Open!.Lines.Compare(json.Number("lines"), json.Text("hash")) is { } missing)
                    Report(Violation.LinesMissing, $"attempt {number}: {missing}");
                _attempts[^1] = Open with { Reason = json.Text("reason") ?? "?", HasExited = true, ExitCode = json.Number("exit_code") };
                break;
            case "abandoned" when IsOpen(number):
                _attempts[^1] = Open! with { Reason = json.Text("reason") ?? "?" };
                break;
            case "lines" or "running" or "exited" when number > Last:
                Report(Violation.WrongAttempts, $"attempt {number} continues, but has not started");
                break;
        }
    }

    public void Lose() => _attempts[^1] = Open! with { Reason = AttemptReading.Lost };

    public void End(long offset, JsonElement json)
    {
        var end = new EndReading(offset, json.Text("status") ?? "?", json.Text("reason"), json.Number("attempt") ?? 0);
        _ends.Add(end);
        if (Open is { } open)
            Report(Violation.EndWithoutOutcome, $"it ended as {end.Status} while attempt {open.Number} was running");
        else if ((end.Status == "succeeded" || NeedAnOutcome.Contains(end.Reason))
            && !(_attempts is [.., { HasExited: true } last] && last.Number == end.Attempt && last.Reason == end.Reason && last.ExitCode == json.Number("exit_code") && last.HasSucceeded == (end.Status == "succeeded")))
            Report(Violation.EndWithoutOutcome, $"it ended as {end.Status}, {end.Reason}, attempt {end.Attempt}, but there is no such outcome before it");
    }

    public void Report(Violation violation, string what) => report(new Finding(violation, taskId, what));

    private int Last => _attempts is [.., var last] ? last.Number : 0;

    private bool IsOpen(int number) => Open?.Number == number;

    private void Start(int number, JsonElement json)
    {
        if (number <= Last)
            return;   // a duplicate
        if (number != Last + 1)
            Report(Violation.WrongAttempts, $"attempt {number} follows attempt {Last}");
        if (_ends.Count > 0)
            Report(Violation.RerunAfterOutcome, $"attempt {number} started after its end as {_ends[^1].Status}");
        else if (_attempts is [.., { IsFinal: true } final])
            Report(Violation.RerunAfterOutcome, $"attempt {number} started although attempt {final.Number} had ended finally: {final.Reason}, exit code {final.ExitCode}");
        if (Open is not null)
            Lose();
        _attempts.Add(new AttemptReading(number, json.Number("epoch") ?? 0, json.Text("owner")));
    }
}

internal sealed record AttemptReading(int Number, long Epoch, string? Owner)
{
    public const string Lost = "worker_lost";

    /// <summary>Why it has ended; null: it is running.</summary>
    public string? Reason { get; init; }

    public bool HasExited { get; init; }

    public long? ExitCode { get; init; }

    public LineCount Lines { get; } = new();

    public bool HasSucceeded => HasExited && Reason == "exit_code" && ExitCode == 0;

    /// <summary>Whether no other attempt can follow, whatever the task's type says about retries.</summary>
    public bool IsFinal => HasSucceeded || (HasExited && Reason == "user_request");

    public bool IsCharged => Reason is not (null or Lost or "worker_shutdown");
}

internal sealed record EndReading(long Offset, string Status, string? Reason, long Attempt);

using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>
/// Proves from the evidence of a run that every task has exactly one end, that the end follows from an outcome, that nothing ran again after its end, that
/// attempts and lines are complete, and that tasks that exclude each other did not run at once. Otherwise it reports the tasks for which this is not so.
/// </summary>
internal sealed class Checker
{
    private static readonly string[] Ends = ["succeeded", "failed", "timed_out", "stopped", "expired"];

    private readonly List<Finding> _findings = [];
    private readonly Dictionary<string, TaskReading> _tasks = [];
    private readonly HashSet<string?> _stopped;   // tasks with a stop request
    private readonly Evidence _evidence;

    private Checker(Evidence evidence)
    {
        _evidence = evidence;
        _stopped = [.. evidence.Records.Where(record => record.Topic == LogRecord.Control).Select(record => record.Json?.Text("task_id"))];
    }

    public static IReadOnlyList<Finding> Check(Evidence evidence)
    {
        var checker = new Checker(evidence);
        checker.Check();
        if (evidence.IsPoisoned)
            checker._findings.RemoveAll(finding => finding.TaskId.Length > 0 && !evidence.Accepted.Contains(finding.TaskId));
        return checker._findings;
    }

    /// <summary>Whether a record of <c>task-state</c> says that its task has ended.</summary>
    public static bool IsEnd(LogRecord record) => record is { Topic: LogRecord.State, Json: { } json } && Ends.Contains(json.Text("status"));

    private void Check()
    {
        foreach (var lane in _evidence.Records.Where(record => record.Topic == LogRecord.Progress).GroupBy(record => record.Lane))
        {
            var reading = new LaneReading(_tasks, _findings.Add);
            foreach (var record in lane.OrderBy(record => record.Offset))
                reading.Read(record);
        }
        var submitted = _evidence.Records.Where(record => record.Topic == LogRecord.Tasks).Select(record => record.Json?.Text("task_id")).OfType<string>();
        var states = _evidence.Records.Where(IsEnd).ToLookup(record => record.Json!.Value.Text("task_id"));
        foreach (var taskId in _evidence.Accepted.Union(submitted))
            CheckEnd(_tasks.GetValueOrDefault(taskId) ?? new TaskReading(taskId, _findings.Add), [.. states[taskId].Select(record => record.Json!.Value)]);
        foreach (var watched in _evidence.Watched)
            CheckLines(watched);
        foreach (var marks in _evidence.Marks.Where(mark => mark.Lock is not null).GroupBy(mark => mark.Lock))
            CheckOverlaps([.. marks.OrderBy(mark => mark.At)]);
        _findings.AddRange(_evidence.Left.Select(process => new Finding(Violation.ProcessLeft, "", process)));
    }

    /// <param name="states">Its committed end states in <c>task-state</c>.</param>
    private static string? Disagreement(TaskReading task, JsonElement[] states) =>
        (task.Ends, states) switch
        {
            ([], []) => null,
            ([], _) => "its state says how it ended, but the log does not",
            (_, []) => "the log says how it ended, but no state does",
            ([.., var end], [.., var state]) when end.Status != state.Text("status") => $"the log says {end.Status}, its state {state.Text("status")}",
            _ => null,
        };

    private void CheckEnd(TaskReading task, JsonElement[] states)
    {
        if (task.Ends.Count == 0 && states.Length == 0)
            task.Report(Violation.Lost, "it has no end");
        if (task.Ends.Count > 1 || states.Length > 1)
            task.Report(Violation.EndedTwice, $"it has {task.Ends.Count} ends in the log ({string.Join(", ", task.Ends.Select(end => $"{end.Status} at {end.Offset}"))}) and {states.Length} in task-state");
        if (Disagreement(task, states) is { } wrong)
            task.Report(Violation.EndWithoutOutcome, wrong);
        if (states is [.., var state])
        {
            CheckAttempts(task, state);
            CheckOutcome(task, state);
        }
    }

    private void CheckAttempts(TaskReading task, JsonElement state)
    {
        var stated = string.Join(", ", state.Items("attempts").Select(attempt => $"{attempt.Number("attempt")} {attempt.Text("reason")}"));
        var read = string.Join(", ", task.Attempts.Select(attempt => $"{attempt.Number} {attempt.Reason}"));
        if (stated != read)
            task.Report(Violation.WrongAttempts, $"its state has the attempts [{stated}], the log [{read}]");
        var charged = task.Attempts.Count(attempt => attempt.IsCharged);
        if (RuleOf(state) is { } rule && charged > rule.Attempts)
            task.Report(Violation.WrongAttempts, $"{charged} attempts were charged to it, {rule.Attempts} are allowed");
    }

    private void CheckOutcome(TaskReading task, JsonElement state)
    {
        var status = state.Text("status");
        if (RuleOf(state) is { } rule && status != rule.Status && !(status == "stopped" && _stopped.Contains(task.TaskId)))
            task.Report(Violation.WrongEnd, $"it ended as {status}, {state.Text("reason")}, instead of {rule.Status}: {state.Text("error")}");
    }

    private TypeRule? RuleOf(JsonElement state) =>
        state.TryGetProperty("task", out var submission) && submission.Text("type") is { } type ? _evidence.Types.GetValueOrDefault(type) : null;

    private void CheckLines(Watched watched)
    {
        var attempts = new Dictionary<long, LineCount>();
        var ends = 0;
        foreach (var sent in watched.Events)
        {
            if (ends > 0)
                Report($"a watcher received {sent.Text("type")} after the end");
            switch (sent.Text("type"))
            {
                case "gap":
                    Report($"a watcher received a gap: {sent}");
                    break;
                case "lines":
                    foreach (var line in sent.Items("lines"))
                        if (Lines(sent).Add(line) is { } wrong)
                            Report($"a watcher, attempt {sent.Number("attempt")}: {wrong}");
                    break;
                case "end":
                    ends++;
                    if (sent.Number("attempt") > 0 && Lines(sent).Compare(sent.Number("lines"), sent.Text("hash")) is { } missing)
                        Report($"a watcher, attempt {sent.Number("attempt")} that decided: {missing}");
                    break;
            }
        }
        if (ends == 0)
            Report("a watcher did not receive the end");
        foreach (var lines in attempts.Values)
            lines.Dispose();

        LineCount Lines(JsonElement sent)
        {
            var attempt = sent.Number("attempt") ?? 0;
            return attempts.TryGetValue(attempt, out var lines) ? lines : attempts[attempt] = new LineCount();
        }

        void Report(string what) => _findings.Add(new Finding(Violation.LinesMissing, watched.TaskId, what));
    }

    /// <summary>Checks the marks of one lock. A killed agent has written no end; then only the kernel knows whether the lock was held.</summary>
    private void CheckOverlaps(IReadOnlyList<Mark> marks)
    {
        var running = new HashSet<(string, int)>();
        var willEnd = marks.Where(mark => !mark.IsStart).Select(mark => (mark.TaskId, mark.Attempt)).ToHashSet();
        foreach (var mark in marks)
        {
            if (!mark.IsStart)
                running.Remove((mark.TaskId, mark.Attempt));
            else
            {
                if (mark.IsHeld || running.Count > 0)
                    _findings.Add(new Finding(Violation.Overlap, mark.TaskId, $"attempt {mark.Attempt} started at {mark.At} while another held {mark.Lock}"));
                if (willEnd.Contains((mark.TaskId, mark.Attempt)))
                    running.Add((mark.TaskId, mark.Attempt));
            }
        }
    }
}

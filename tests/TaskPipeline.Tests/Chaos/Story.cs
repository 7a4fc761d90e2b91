using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using TaskPipeline.Bench.Chaos.Checking;

namespace TaskPipeline.Tests.Chaos;

/// <summary>The records of one lane in which task <c>t</c> was accepted, written by hand one after the other.</summary>
internal sealed class Story(string type = "plain")
{
    private readonly List<LogRecord> _records = [new(LogRecord.Tasks, 0, 0, "t", $$"""{"task_id":"t","type":"{{type}}"}""")];
    private (long Epoch, string Owner) _claim = (1, "a");

    public List<Mark> Marks { get; } = [];

    public List<Watched> Watched { get; } = [];

    public List<string> Left { get; } = [];

    /// <summary>A new owner takes the lane; it writes what follows.</summary>
    public Story Barrier(long epoch, string owner = "a", params int[] keeps)
    {
        _claim = (epoch, owner);
        return Progress(new { kind = "barrier", epoch, owner, keeps = keeps.Select(attempt => new { task_id = "t", attempt }) });
    }

    /// <summary>What follows is written under an older claim.</summary>
    public Story By(long epoch, string owner = "a")
    {
        _claim = (epoch, owner);
        return this;
    }

    public Story Starting(int attempt) => Of("starting", attempt, new { });

    public Story Line(int attempt, long seq, string text = "x") => Of("lines", attempt, new { lines = Lines(seq, text) });

    public Story Abandoned(int attempt) => Of("abandoned", attempt, new { reason = "worker_shutdown" });

    public Story Exited(int attempt, int exitCode = 0, string reason = "exit_code", long lines = 0, string? hash = null) =>
        Of("exited", attempt, new { exit_code = exitCode, reason, lines, hash = hash ?? HashOf(Enumerable.Repeat("x", (int)lines)) });

    /// <summary>In the log, and as the committed state with these attempts.</summary>
    public Story Ended(int attempt, string status = "succeeded", int? exitCode = 0, string reason = "exit_code", params string[] attempts) =>
        EndedInLog(attempt, status, exitCode, reason).EndedInState(status, attempts);

    public Story EndedInLog(int attempt, string status = "succeeded", int? exitCode = 0, string reason = "exit_code") =>
        Of("ended", attempt, new { status, reason, exit_code = exitCode });

    public Story EndedInState(string status, params string[] attempts)
    {
        var state = new { task_id = "t", status, attempts = attempts.Select((reason, index) => new { attempt = index + 1, reason }), task = new { type } };
        _records.Add(new LogRecord(LogRecord.State, 0, _records.Count, "t", JsonSerializer.Serialize(state)));
        return this;
    }

    public Story StopAsked()
    {
        _records.Add(new LogRecord(LogRecord.Control, 0, _records.Count, "t/STOP", """{"task_id":"t","signal":"STOP"}"""));
        return this;
    }

    public Story Mark(int attempt, bool isStart, long at, string? name = "task-t", bool isHeld = false, string task = "t")
    {
        Marks.Add(new Mark(task, attempt, isStart, at, name, isHeld));
        return this;
    }

    public Story Seen(params object[] events)
    {
        Watched.Add(new Watched("t", [.. events.Select(told => JsonSerializer.SerializeToElement(told))]));
        return this;
    }

    public IReadOnlyList<Finding> Check() => Checker.Check(new Evidence
    {
        Accepted = ["t"],
        Records = _records,
        Marks = Marks,
        Watched = Watched,
        Left = Left,
        Types = new Dictionary<string, TypeRule> { ["plain"] = new(2, "succeeded"), ["failing"] = new(2, "failed") },
    });

    public static object[] Lines(long seq, string text = "x") => [new { seq, stream = "stdout", text }];

    public static string HashOf(IEnumerable<string> texts) =>
        "sha256:" + Convert.ToHexStringLower(SHA256.HashData([.. texts.SelectMany(text => (byte[])[1, .. Encoding.UTF8.GetBytes(text), (byte)'\n'])]));

    private Story Of(string kind, int attempt, object fields)
    {
        var json = JsonSerializer.SerializeToNode(fields)!.AsObject();
        json["kind"] = kind;
        json["task_id"] = "t";
        json["attempt"] = attempt;
        json["epoch"] = _claim.Epoch;
        json["owner"] = _claim.Owner;
        return Progress(json);
    }

    private Story Progress(object json)
    {
        _records.Add(new LogRecord(LogRecord.Progress, 0, _records.Count, "t", JsonSerializer.Serialize(json)));
        return this;
    }
}

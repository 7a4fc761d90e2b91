using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>A worker that dies as by <c>kill -9</c> at each named point of a task's life: the end is the same as without.</summary>
public sealed class CrashPointTests(TestBroker broker)
{
    private const string Catalogue = """
        types:
          say:
            executable: sh
            arguments: [-c, 'echo "$1"; exit $2', sh]
            params: { text: { positional: true, required: true }, code: { positional: true, type: integer, default: "0" } }
            retry: { lost: 5, attempts: 2, backoff: { first: 100ms } }
        """;

    public static TheoryData<string> Points => [.. CrashPoint.All.Where(point => point != CrashPoint.HandedOver)];

    [Theory(Timeout = 60_000)]
    [MemberData(nameof(Points))]
    public async Task The_task_ends_once_and_as_without_the_crash(string point)
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 0, lanes: 1, Catalogue);
        // The claim of a lane is a commit too, and not the one that is meant.
        var passes = point is CrashPoint.BeforeCommit or CrashPoint.InTransaction or CrashPoint.AfterCommit ? 1 : 0;
        if (point == CrashPoint.InTransaction && await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker has no transactions");
        var worker = await pipeline.AddWorkerAsync(new KeyValuePair<string, string?>("Worker:CrashAt", $"{point}:{passes}"));
        var id = await pipeline.SubmitAsync("say", new { text = "hello" });
        await worker.WaitForExitAsync(TestPipeline.MaxWait);
        Assert.NotEqual(0, worker.ExitCode);
        await pipeline.AddWorkerAsync();

        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, EndReason.ExitCode, 0), (end.Status, end.Reason, end.ExitCode));
        Assert.Equal("hello", Assert.Single(await pipeline.LinesAsync(id, end.Attempt)).Text);
        Assert.All(end.Attempts.SkipLast(1), attempt => Assert.Equal(EndReason.WorkerLost, attempt.Reason));
        // Once the outcome is in the log the agent is not run again, whatever dies after that.
        var isLost = point is CrashPoint.Starting or CrashPoint.Running or CrashPoint.BeforeExited;
        Assert.Equal(isLost ? 2 : 1, end.Attempts.Count);
        var next = await pipeline.SubmitAsync("say", new { text = "next" });
        await pipeline.EndOfAsync(next);
        Assert.Single(pipeline.States(id));
    }

    [Theory(Timeout = 60_000)]
    [InlineData(CrashPoint.BeforeCommit)]
    [InlineData(CrashPoint.InTransaction)]
    [InlineData(CrashPoint.AfterCommit)]
    public async Task A_retry_is_scheduled_once_whatever_dies(string point)
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 0, lanes: 1, Catalogue);
        if (point == CrashPoint.InTransaction && await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker has no transactions");
        var worker = await pipeline.AddWorkerAsync(new KeyValuePair<string, string?>("Worker:CrashAt", $"{point}:1"));
        var id = await pipeline.SubmitAsync("say", new { text = "bad", code = 1 });
        await worker.WaitForExitAsync(TestPipeline.MaxWait);
        await pipeline.AddWorkerAsync();
        await pipeline.PutBackAsync(id, 2);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, 2, true), (end.Status, end.Attempt, end.DeadLettered));
        Assert.Equal([EndReason.ExitCode, EndReason.ExitCode], end.Attempts.Select(attempt => attempt.Reason!.Value));
        Assert.Single(pipeline.States(id));
    }
}

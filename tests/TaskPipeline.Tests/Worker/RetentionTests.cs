using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>Tasks that are older than the retention of the records that tell of them.</summary>
public sealed class RetentionTests(TestBroker broker)
{
    private const string Catalogue = """
        types:
          marked:
            executable: sh
            arguments: [-c, 'echo run >> "$1"; [ -z "$2" ] || { echo waits; sleep "$2"; }', sh]
            params: { marks: { positional: true, required: true }, seconds: { positional: true } }
            retry: { lost: 3 }
        """;

    private static readonly KeyValuePair<string, string?> Short = new("Kafka:ProgressRetention", "00:00:05");

    [Fact(Timeout = 120_000)]
    public async Task An_outcome_that_nobody_could_commit_outlives_the_log_and_its_agent_is_not_run_again()
    {
        await using var pipeline = await StartAsync();
        await using var api = await ApiUnderTest.StartAsync(
            broker, pipeline.Prefix, $"--Catalogue:File={pipeline.CatalogueFile}", $"--{Short.Key}={Short.Value}",
            "--Kafka:Partitions=1");
        var worker = await pipeline.AddWorkerAsync(Short, new("Worker:CrashAt", CrashPoint.Exited));
        var marks = Path.Combine(pipeline.Folder, "marks");
        var id = await pipeline.SubmitAsync("marked", new { marks });
        await worker.WaitForExitAsync(TestPipeline.MaxWait);

        var snapshot = await pipeline.RecordAsync<AttemptsSnapshot>(id, snapshot => snapshot.Outcome is not null);
        await pipeline.ForgetProgressBeforeAsync(snapshot);
        await pipeline.AddWorkerAsync(Short);

        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 1, 0), (end.Status, end.Attempt, end.ExitCode));
        Assert.Single(await File.ReadAllLinesAsync(marks, TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 120_000)]
    public async Task Attempts_are_counted_also_when_the_log_has_forgotten_them()
    {
        await using var pipeline = await StartAsync();
        await using var api = await ApiUnderTest.StartAsync(
            broker, pipeline.Prefix, $"--Catalogue:File={pipeline.CatalogueFile}", $"--{Short.Key}={Short.Value}",
            "--Kafka:Partitions=1");
        var marks = Path.Combine(pipeline.Folder, "marks");
        var worker = await pipeline.AddWorkerAsync(Short);
        var id = await pipeline.SubmitAsync("marked", new { marks, seconds = "1000" });
        await pipeline.LineAsync(id, "waits");
        worker.KillAlone();
        var first = await pipeline.RecordAsync<AttemptsSnapshot>(id, snapshot => snapshot.Attempts.Count == 1);
        await pipeline.ForgetProgressBeforeAsync(first);

        worker = await pipeline.AddWorkerAsync(Short);
        await pipeline.LineAsync(id, "waits", attempt: 2);
        worker.KillAlone();
        var second = await pipeline.RecordAsync<AttemptsSnapshot>(id, snapshot => snapshot.Attempts.Count == 2);
        Assert.Equal([EndReason.WorkerLost, null], second.Attempts.Select(attempt => attempt.Reason));
        await pipeline.ForgetProgressBeforeAsync(second);

        worker = await pipeline.AddWorkerAsync(Short);
        await pipeline.LineAsync(id, "waits", attempt: 3);
        worker.KillAlone();
        await pipeline.AddWorkerAsync(Short);
        var end = await pipeline.EndOfAsync(id);   // the type allows for three lost attempts
        Assert.Equal((Status.Failed, EndReason.WorkerLost, true), (end.Status, end.Reason, end.DeadLettered));
        Assert.Equal([1, 2, 3], end.Attempts.Select(attempt => attempt.Attempt));
        await api.UntilAsync(id, "the API knows of all three", task => task.GetProperty("attempts").GetArrayLength() == 3);
    }

    private async Task<TestPipeline> StartAsync()
    {
        var pipeline = await TestPipeline.StartAsync(broker, workers: 0, lanes: 1, Catalogue);
        if (!await pipeline.IsEmbeddedAsync())
            return pipeline;
        await pipeline.DisposeAsync();
        Assert.Skip("the embedded broker cannot forget records before others");
        return pipeline;
    }
}

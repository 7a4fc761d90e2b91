using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What the processes log, for machines.</summary>
public sealed class LogTests(TestBroker broker)
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task Each_line_of_a_worker_about_a_task_says_which_attempt_it_is_of()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, settings: new KeyValuePair<string, string?>("Logging:Json", "true"));
        var id = await pipeline.SubmitAsync("say", new { text = "hello" });
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
        await pipeline.Workers[0].WaitForLineAsync(line => line.Contains(id, StringComparison.Ordinal) && line.Contains("has ended", StringComparison.Ordinal));

        var lines = pipeline.Workers[0].Lines.Where(line => line.Contains(id, StringComparison.Ordinal)).Select(line => JsonElement.Parse(line)).ToList();
        Assert.InRange(lines.Count, 2, int.MaxValue);
        Assert.All(lines, line => Assert.Equal(
            (id, 1, "default", "w1"),
            (line.GetProperty("task_id").GetString(), line.GetProperty("attempt").GetInt32(), line.GetProperty("project").GetString(), line.GetProperty("worker").GetString())));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_request_that_changes_something_is_logged_and_one_that_reads_is_not()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 0);
        await using var api = await ApiProgram.StartAsync(pipeline);
        using (await api.Http.GetAsync("tasks/nothing", TestContext.Current.CancellationToken))
        using (await api.Http.PostAsync("tasks/nothing/stop", null, TestContext.Current.CancellationToken))
        {
            await api.Process.WaitForLineAsync("POST /tasks/nothing/stop responded 404");
            Assert.DoesNotContain(api.Process.Lines, line => line.Contains("GET", StringComparison.Ordinal));
        }
    }
}

using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What ends a process three times in a minute is passed over by its next life, whatever is wrong with it.</summary>
public sealed class RecordGuardTests(TestBroker broker)
{
    private const int Timeout = 180_000;
    private const string Deadly = "what-nobody-survives";

    [Fact(Timeout = Timeout)]
    public async Task A_task_record_that_ends_each_worker_is_set_aside_and_named()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 0, lanes: 1);
        KeyValuePair<string, string?>[] settings = [new("Kafka:CrashOn", Deadly), new("Kafka:HandlingDirectory", Path.Combine(pipeline.Folder, "handling"))];
        await pipeline.SubmitAsync("say", new { text = Deadly });
        var behind = await pipeline.SubmitAsync("say", new { text = "behind" });
        for (var life = 1; life <= 3; life++)
        {
            var worker = await pipeline.AddWorkerAsync(settings);
            Assert.Equal(137, await worker.WaitForExitAsync(TestPipeline.MaxWait));
        }
        var last = await pipeline.AddWorkerAsync(settings);
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(behind)).Status);
        await last.WaitForLineAsync($"the record {pipeline.Topics.Tasks}[0]@0 is skipped");
        await using var api = await ApiUnderTest.StartAsync(broker, pipeline.Prefix, "--Kafka:Partitions=1");
        await Eventually.TrueAsync(
            "the record is named in readyz",
            async () => (await api.GetAsync("readyz")).Body.TryGetProperty("warnings", out var warnings) && warnings.ToString().Contains($"{pipeline.Topics.Tasks}[0]@0", StringComparison.Ordinal),
            TestPipeline.MaxWait);
        Assert.Contains("set aside", (await api.GetAsync("dead-letters")).Body.GetProperty("dead_letters")[0].GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_record_of_the_log_that_ends_each_API_is_passed_over_and_named()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 1);
        var id = await pipeline.SubmitAsync("say", new { text = Deadly });
        await pipeline.EndOfAsync(id);
        var crash = $"--Kafka:CrashOn=\"text\":\"{Deadly}\",\"at\"";
        for (var life = 1; life <= 3; life++)
        {
            await using var api = ApiProgram.StartUnready(pipeline, crash);
            Assert.Equal(137, await api.WaitForExitAsync(TestPipeline.MaxWait));
        }
        await using var last = await ApiProgram.StartAsync(pipeline, crash);
        var http = last.Http;
        Assert.Contains($"{pipeline.Topics.Progress}[0]@", await http.GetStringAsync("readyz", TestContext.Current.CancellationToken), StringComparison.Ordinal);
        using var task = JsonDocument.Parse(await http.GetStringAsync($"tasks/{id}", TestContext.Current.CancellationToken));
        Assert.True(task.RootElement.GetProperty("status").GetString() == "succeeded", task.RootElement.ToString() + last.Process.Output);
    }
}

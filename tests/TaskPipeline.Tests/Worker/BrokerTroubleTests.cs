using Confluent.Kafka;
using Confluent.Kafka.Admin;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What workers and the API do when something is wrong with Kafka. Killed and frozen brokers are for the chaos bench.</summary>
public sealed class BrokerTroubleTests(TestBroker shared)
{
    private const string Catalogue = """
        types:
          flood: { executable: sh, arguments: [-c, 'echo started; while [ ! -e "$1" ]; do sleep 0.05; done; seq 1 200000; echo done > "$2"', sh], params: { go: { positional: true, required: true }, done: { positional: true, required: true } } }
          say:   { executable: echo, arguments: [hello] }
        """;

    [Fact(Timeout = 180_000)]
    public async Task An_agent_does_not_wait_for_Kafka_and_no_line_is_lost()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var (go, done) = (Path.Combine(pipeline.Folder, "go"), Path.Combine(pipeline.Folder, "done"));
        var id = await pipeline.SubmitAsync("flood", new { go, done });
        await pipeline.LineAsync(id, "started");

        await broker.SendAsync("down");
        await File.WriteAllTextAsync(go, "", TestContext.Current.CancellationToken);
        await Eventually.TrueAsync("the agent has printed everything", () => File.Exists(done), TestPipeline.MaxWait);
        Assert.DoesNotContain(pipeline.Progress(id), record => record is AttemptExited);
        await broker.SendAsync("up");

        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempt));
        Assert.Equal(["started", .. Enumerable.Range(1, 200_000).Select(number => number.ToString())], (await pipeline.LinesAsync(id)).Select(line => line.Text));
    }

    [Fact(Timeout = 120_000)]
    public async Task Processes_do_not_outlive_the_topics_that_they_have_read_and_say_why()
    {
        await using var pipeline = await TestPipeline.StartAsync(shared, lanes: 1, catalogue: Catalogue);
        if (await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker gives topics no ids");
        await using var api = await ApiProgram.StartAsync(pipeline);
        await pipeline.EndOfAsync(await pipeline.SubmitAsync("say"));

        using (var admin = pipeline.Cluster.Admin())
            await admin.DeleteTopicsAsync([pipeline.Topics.State]);
        Assert.Equal(70, await api.Process.WaitForExitAsync(TestPipeline.MaxWait));
        Assert.Equal(70, await pipeline.Workers[0].WaitForExitAsync(TestPipeline.MaxWait));
        Assert.Contains($"{pipeline.Topics.State} was deleted", api.Process.Output, StringComparison.Ordinal);
        Assert.Contains($"{pipeline.Topics.State} was deleted", pipeline.Workers[0].Output, StringComparison.Ordinal);

        // Started again, they make what is missing and go on with what is there.
        await pipeline.AddWorkerAsync();
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(await pipeline.SubmitAsync("say"))).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task Settings_that_were_changed_are_told_of_in_readyz()
    {
        await using var pipeline = await TestPipeline.StartAsync(shared, workers: 0, lanes: 1, catalogue: Catalogue);
        if (await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker knows no settings of topics");
        using (var admin = pipeline.Cluster.Admin())
            await admin.IncrementalAlterConfigsAsync(new Dictionary<ConfigResource, List<ConfigEntry>>
            {
                [new ConfigResource { Type = ResourceType.Topic, Name = pipeline.Topics.State }] =
                    [new ConfigEntry { Name = "cleanup.policy", Value = "delete", IncrementalOperation = AlterConfigOpType.Set }],
            });
        await using var api = await ApiUnderTest.StartAsync(shared, pipeline.Prefix, "--Kafka:Partitions=1");
        await Eventually.TrueAsync(
            "the drift is told of",
            async () => (await api.GetAsync("readyz")).Body.TryGetProperty("warnings", out var warnings)
                && warnings[0].GetString() == $"topic {pipeline.Topics.State} has cleanup.policy=delete instead of compact",
            TestPipeline.MaxWait);
    }

    [Fact(Timeout = 60_000)]
    public async Task That_Kafka_does_not_answer_is_told_of_in_readyz()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var prefix = await broker.NewPipelineAsync();
        await using var api = await ApiUnderTest.StartAsync(broker, prefix);
        await broker.SendAsync("down");
        await Eventually.TrueAsync(
            "the silence is told of",
            async () => (await api.GetAsync("readyz")).Body.TryGetProperty("warnings", out var warnings) && warnings[0].GetString()!.StartsWith("Kafka has not answered since", StringComparison.Ordinal),
            TestPipeline.MaxWait);
        await broker.SendAsync("up");
        await Eventually.TrueAsync("and taken back", async () => !(await api.GetAsync("readyz")).Body.TryGetProperty("warnings", out _), TestPipeline.MaxWait);
    }
}

using System.Net;
using System.Net.Http.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Kafka goes away and comes back; the API is never restarted for it.</summary>
public sealed class OutageTests
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(40);

    [Fact(Timeout = 120_000)]
    public async Task While_Kafka_is_away_submissions_are_answered_503_and_later_taken_again()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var prefix = await broker.NewPipelineAsync();
        await using var api = await ApiUnderTest.StartAsync(broker, prefix, "--Api:KafkaTimeout=00:00:01");
        var task = await api.SubmitAsync();

        await broker.SendAsync("down");
        using var refused = await api.Http.PostAsJsonAsync("tasks", new { type = "echo", @params = new { text = "x" } }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        using var stop = await api.Http.PostAsync($"tasks/{task.TaskId}/stop", null, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, stop.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await api.GetAsync($"tasks/{task.TaskId}")).Status);
        Assert.Equal(HttpStatusCode.OK, (await api.GetAsync("healthz")).Status);

        await broker.SendAsync("up");
        await Eventually.TrueAsync("submissions are taken again", async () => (await api.PostAsync("tasks", new { type = "echo", @params = new { text = "y" } })).Status == HttpStatusCode.Accepted, MaxWait);
        Assert.Equal(HttpStatusCode.Accepted, (await api.PostAsync($"tasks/{task.TaskId}/stop")).Status);
        await api.UntilAsync(task.TaskId, "the tails read again", state => state.GetProperty("status").GetString() == "stopping");
    }

    [Fact(Timeout = 120_000)]
    public async Task What_was_due_while_Kafka_was_away_is_put_into_its_queue_afterwards()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var prefix = await broker.NewPipelineAsync();
        await using var api = await ApiUnderTest.StartAsync(broker, prefix, "--Api:KafkaTimeout=00:00:01");
        var task = await api.SubmitAsync(new { type = "echo", delay = "1s", @params = new { text = "x" } });

        await broker.SendAsync("down");
        await Eventually.TrueAsync("it is due", () => DateTimeOffset.UtcNow > task.DueAt, MaxWait);
        using var refused = await api.Http.PostAsJsonAsync("tasks", new { type = "echo", @params = new { text = "x" } }, TestContext.Current.CancellationToken);   // as long as a write may take
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("scheduled", (await api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("status").GetString());

        await broker.SendAsync("up");
        await api.UntilAsync(task.TaskId, "it is queued", state => state.GetProperty("status").GetString() == "queued");
    }

    [Fact(Timeout = 120_000)]
    public async Task An_API_that_starts_before_Kafka_says_what_it_waits_for_and_becomes_ready_by_itself()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var prefix = await broker.NewPipelineAsync();
        await broker.SendAsync("down");
        await using var api = await ApiUnderTest.StartUnreadyAsync(broker, prefix);

        using var ready = await api.Http.GetAsync(new Uri("readyz", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.NotNull(ready.Headers.RetryAfter);
        Assert.Contains("Kafka", await ready.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await api.GetAsync("healthz")).Status);
        foreach (var path in new[] { "tasks", "tasks/any", "tasks/any/output", "tasks/any/events" })
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await api.GetAsync(path)).Status);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await api.PostAsync("tasks", new { type = "echo", @params = new { text = "x" } })).Status);
        await using var watcher = await WatchClient.ConnectAsync(api, "/tasks/any/watch");
        await watcher.ToTheEndAsync();
        Assert.Equal(4013, (int?)watcher.CloseCode);

        await broker.SendAsync("up");
        await api.ReadyAsync();
        await api.SubmitAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task Topics_that_do_not_fit_end_the_program_with_a_sentence_that_says_what_to_do()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var prefix = await broker.NewPipelineAsync(lanes: 3);
        await using var program = ChildProcess.Start("TaskApi",
        [
            $"--Kafka:BootstrapServers={broker.BootstrapServers}", $"--Kafka:TopicPrefix={prefix}", "--Kafka:Partitions=5",
            "--urls=http://127.0.0.1:0", $"--Catalogue:File={Path.Combine(AppContext.BaseDirectory, "Api", "task-types.yaml")}",
        ]);

        Assert.Equal(78, await program.WaitForExitAsync());
        Assert.Contains("has 3 partitions where 5 are configured", program.Output, StringComparison.Ordinal);
    }
}

using System.Net;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>What is asked for twice with one Idempotency-Key happens once, whoever is asked.</summary>
public sealed class IdempotencyTests(TestBroker broker) : ApiTest(broker)
{
    private static readonly object Hello = new { type = "echo", @params = new { text = "hi", times = 2 } };

    [Fact(Timeout = 60_000)]
    public async Task Many_keys_at_two_replicas_at_once_make_one_task_each()
    {
        var replica = await ReplicaAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 160).Select(async number =>
        {
            var key = $"order {number / 4}";
            var (status, body) = await (number % 2 == 0 ? Api : replica).PostAsync("tasks", Hello, key);
            return (Key: key, Status: status, Self: body.GetProperty("links").GetProperty("self").GetString());
        }));

        foreach (var same in answers.GroupBy(answer => answer.Key))
        {
            Assert.Single(same, answer => answer.Status == HttpStatusCode.Accepted);
            Assert.Equal(3, same.Count(answer => answer.Status == HttpStatusCode.OK));
            Assert.Single(same.Select(answer => answer.Self).Distinct());
        }
        Assert.Equal(40, answers.Select(answer => answer.Self).Distinct().Count());
        foreach (var api in new[] { Api, replica })
            Assert.Equal(40, (await api.GetAsync("tasks?limit=500")).Body.GetProperty("tasks").GetArrayLength());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_key_means_the_same_task_after_a_restart_and_after_its_end()
    {
        var before = await ReplicaAsync();
        var first = new Submitted((await before.PostAsync("tasks", Hello, "k-1")).Body);
        Assert.StartsWith("h-", first.TaskId, StringComparison.Ordinal);
        await before.StopAsync(TestContext.Current.CancellationToken);
        using var attempt = await (await Worker.ClaimAsync(first.Lane)).StartAsync(first);
        await attempt.FinishAsync();

        var after = await ReplicaAsync();
        await after.UntilAsync(first.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        // The order of names and the spaces between them say nothing.
        var (status, answer) = await after.PostAsync("tasks", new { @params = new { times = 2, text = "hi" }, type = "echo" }, "k-1");

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal((first.TaskId, "succeeded"), (answer.GetProperty("task_id").GetString(), answer.GetProperty("status").GetString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task Another_body_with_the_same_key_is_refused_and_another_project_has_keys_of_its_own()
    {
        var first = new Submitted((await Api.PostAsync("tasks", Hello, "k-1")).Body);

        var (status, problem) = await Api.PostAsync("tasks", new { type = "echo", @params = new { text = "hi" } }, "k-1");
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("'k-1'", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);

        var (elsewhere, other) = await Api.PostAsync("tasks", new { type = "echo", project = "shop", @params = new { text = "hi" } }, "k-1");
        Assert.Equal(HttpStatusCode.Accepted, elsewhere);
        Assert.NotEqual(first.TaskId, other.GetProperty("task_id").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_key_beside_a_task_id_and_a_key_that_does_not_fit_are_refused_by_name()
    {
        var (status, problem) = await Api.PostAsync("tasks", new { type = "echo", task_id = "mine", @params = new { text = "hi" } }, "k-1");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.True(problem.GetProperty("errors").TryGetProperty("task_id", out _));

        foreach (var key in new[] { "", new string('k', 201), "a\tb" })
        {
            (status, problem) = await Api.PostAsync("tasks", Hello, key);
            Assert.Equal(HttpStatusCode.BadRequest, status);
            Assert.True(problem.GetProperty("errors").TryGetProperty("Idempotency-Key", out _));
        }
        Assert.Equal(0, (await Api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_that_is_repeated_with_its_key_leaves_one_record()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        var stop = $"tasks/{task.TaskId}/stop";
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync(stop, new { reason = "wrong file" }, "s-1")).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync(stop, new { reason = "wrong file" }, "s-1")).Status);
        await replica.UntilAsync(task.TaskId, "the other replica knows of the stop", state => state.GetProperty("status").GetString() == "stopping");
        Assert.Equal(HttpStatusCode.Accepted, (await replica.PostAsync(stop, new { reason = "wrong file" }, "s-1")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await replica.PostAsync(stop, new { reason = "wrong file", force = true }, "s-1")).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await replica.PostAsync(stop, new { force = true }, "s-2")).Status);

        var records = Read(2);
        Assert.Equal(["s-1", "s-2"], records.Select(record => record.IdempotencyKey));
        Assert.Equal([false, true], records.Select(record => record.Force));
    }

    private List<ControlRecord> Read(int count)
    {
        using var consumer = Cluster.TailConsumer(Confluent.Kafka.IsolationLevel.ReadUncommitted);
        consumer.Assign(new Confluent.Kafka.TopicPartitionOffset(Cluster.Topics.Control, 0, 0));
        List<ControlRecord> records = [];
        while (records.Count < count && consumer.Consume(TimeSpan.FromSeconds(20)) is { IsPartitionEOF: false } result)
        {
            Assert.True(TaskJson.TryDecodeControl(result.Message.Value, out var record, out _));
            records.Add(record!);
        }
        return records;
    }
}

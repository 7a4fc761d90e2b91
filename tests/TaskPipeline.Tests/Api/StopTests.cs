using System.Net;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class StopTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_stop_is_written_for_the_workers_and_told_to_watchers()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);

        var (status, answer) = await Api.PostAsync($"tasks/{task.TaskId}/stop", new { reason = "wrong file", force = true });
        Assert.Equal(HttpStatusCode.Accepted, status);
        Assert.Equal("stopping", answer.GetProperty("status").GetString());

        var told = await watcher.UntilAsync("state", state => state.GetProperty("status").GetString() == "stopping");
        Assert.Equal(("wrong file", "http"), (told.GetProperty("reason").GetString(), told.GetProperty("requested_by").GetString()));
        var record = ReadControl();
        Assert.Equal((task.TaskId, ControlRecord.Stop, task.Lane, true), (record.TaskId, record.Signal, record.Lane, record.Force));
        var detail = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal("stopping", detail.GetProperty("status").GetString());
        Assert.Equal("wrong file", detail.GetProperty("stop").GetProperty("reason").GetString());
    }

    [Theory(Timeout = 60_000)]
    [InlineData("STOP", false)]
    [InlineData("""{"type":"stop","request_id":"r-1"}""", true)]
    public async Task A_stop_on_the_socket_is_acknowledged_there(string command, bool hasRequestId)
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await using var watcher = await WatchClient.WatchAsync(Api, task);

        await watcher.SendAsync(command);

        var acknowledged = await watcher.UntilAsync("ack");
        Assert.Equal(hasRequestId ? "r-1" : null, acknowledged.TryGetProperty("request_id", out var id) ? id.GetString() : null);
        Assert.Equal("websocket", ReadControl().RequestedBy);
        await attempt.StoppingAsync();
        await attempt.ExitAsync(exitCode: null, EndReason.UserRequest);
        await attempt.EndAsync();
        await watcher.ToTheEndAsync();
        Assert.Equal(("stopped", "user_request"), (watcher.Events[^1].GetProperty("status").GetString(), watcher.Events[^1].GetProperty("reason").GetString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_that_two_replicas_are_asked_for_at_once_is_one_stop()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        Assert.Equal(HttpStatusCode.OK, (await replica.GetAsync(task.Link("self"))).Status);
        var answers = await Task.WhenAll(new[] { Api, replica }.Select(api => api.PostAsync($"tasks/{task.TaskId}/stop")));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.Status));
        await attempt.StoppingAsync();
        await attempt.ExitAsync(exitCode: null, EndReason.UserRequest);
        await attempt.EndAsync();

        foreach (var api in new[] { Api, replica })
        {
            await using var watcher = await WatchClient.WatchAsync(api, task);
            await watcher.ToTheEndAsync();
            Assert.Equal("stopped", watcher.Events[^1].GetProperty("status").GetString());
            Assert.Single(watcher.Events, told => WatchClient.TypeOf(told) == "state" && told.TryGetProperty("requested_by", out _));
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task Stopping_twice_is_harmless_and_a_queued_task_that_is_stopped_ends_without_an_attempt()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/stop")).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/stop")).Status);
        var claim = await Worker.ClaimAsync(task.Lane);
        await claim.EndAsync(new TaskState
        {
            TaskId = task.TaskId,
            Status = Status.Stopped,
            Reason = EndReason.UserRequest,
            Task = new TaskSubmission { TaskId = task.TaskId, Type = "echo" },
            Lane = task.Lane,
            Offset = task.Offset,
            At = DateTimeOffset.UtcNow,
        });

        await watcher.ToTheEndAsync();

        Assert.Single(watcher.Events, told => WatchClient.TypeOf(told) == "state" && told.GetProperty("status").GetString() == "stopping");
        var end = watcher.Events[^1];
        Assert.Equal(("stopped", 0, 0), (end.GetProperty("status").GetString(), end.GetProperty("attempt").GetInt32(), end.GetProperty("lines").GetInt32()));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_task_that_has_ended_says_how_instead_of_stopping()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.FinishAsync(exitCode: 2);
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "failed");

        var (status, problem) = await Api.PostAsync($"tasks/{task.TaskId}/stop");

        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("failed", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_that_the_agents_own_end_overtakes_leaves_a_word()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        await attempt.ExitAsync();
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/stop", new { reason = "wrong file" })).Status);
        await attempt.EndAsync();

        await watcher.ToTheEndAsync();
        AssertTooLate(watcher.Events[^1]);
        foreach (var api in new[] { Api, await ReplicaAsync() })
        {
            var detail = (await api.GetAsync($"tasks/{task.TaskId}")).Body;
            Assert.Equal("succeeded", detail.GetProperty("status").GetString());
            Assert.Equal(("wrong file", "http", true), detail.GetProperty("stop") is var stop ? (stop.GetProperty("reason").GetString(), stop.GetProperty("requested_by").GetString(), stop.GetProperty("too_late").GetBoolean()) : default);
            await using var late = await WatchClient.WatchAsync(api, task);
            await late.ToTheEndAsync();
            AssertTooLate(late.Events[^1]);
        }
    }

    [Theory(Timeout = 60_000)]
    [InlineData(0)]
    [InlineData(null)]
    public async Task What_the_end_says_of_its_stop_is_kept_when_the_stop_itself_is_not(int? exitCode)
    {
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.ExitAsync(exitCode, exitCode is null ? EndReason.UserRequest : EndReason.ExitCode);
        var at = DateTimeOffset.UtcNow;
        await attempt.EndAsync(new ControlRecord { TaskId = task.TaskId, Signal = ControlRecord.Stop, RequestedBy = "signalr", Reason = "enough", At = at });

        await Api.UntilAsync(task.TaskId, "it has ended", state => state.TryGetProperty("ended_at", out _));
        foreach (var api in new[] { Api, await ReplicaAsync() })
        {
            var stop = (await api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("stop");
            Assert.Equal(("signalr", "enough", at), (stop.GetProperty("requested_by").GetString(), stop.GetProperty("reason").GetString(), stop.GetProperty("at").GetDateTimeOffset()));
            Assert.Equal(exitCode is not null, stop.TryGetProperty("too_late", out _));
            await using var late = await WatchClient.WatchAsync(api, task);
            await late.ToTheEndAsync();
            Assert.Equal(at, late.Events[^1].GetProperty("stop_requested_at").GetDateTimeOffset());
            Assert.Equal(exitCode is not null, late.Events[^1].TryGetProperty("stop_too_late", out _));
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_that_is_read_behind_the_end_is_told_to_who_comes_then()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.TryGetProperty("ended_at", out _));
        await Worker.WriteAsync(Cluster.Topics.Control, 0, ControlRecord.StopKey(task.TaskId), TaskJson.Encode(new ControlRecord { TaskId = task.TaskId, Signal = ControlRecord.Stop, At = DateTimeOffset.UtcNow }));

        await Api.UntilAsync(task.TaskId, "it says that the stop came too late", state => state.TryGetProperty("stop", out var stop) && stop.GetProperty("too_late").GetBoolean());
        await using var late = await WatchClient.WatchAsync(Api, task);
        await late.ToTheEndAsync();
        AssertTooLate(late.Events[^1]);
        Assert.Single(late.Events, told => WatchClient.TypeOf(told) == "end");
    }

    private static void AssertTooLate(System.Text.Json.JsonElement end)
    {
        Assert.Equal(("succeeded", true), (end.GetProperty("status").GetString(), end.GetProperty("stop_too_late").GetBoolean()));
        Assert.True(end.GetProperty("stop_requested_at").GetDateTimeOffset() > DateTimeOffset.UtcNow.AddMinutes(-5));
    }

    [Fact(Timeout = 60_000)]
    public async Task An_unknown_task_cannot_be_stopped_nor_one_by_a_body_that_is_not_understood()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await Api.PostAsync("tasks/nobody/stop")).Status);
        var task = await Api.SubmitAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await Api.PostAsync($"tasks/{task.TaskId}/stop", new { because = "x" })).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Api.PostAsync($"tasks/{task.TaskId}/stop", new { force = "yes" })).Status);
        using var form = new StringContent("force=true");
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await Api.Http.PostAsync(new Uri($"tasks/{task.TaskId}/stop", UriKind.Relative), form)).StatusCode);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_seen_on_one_replica_is_not_told_again_on_another()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await using var before = await WatchClient.WatchAsync(Api, task);
        await before.UntilAsync("state", told => told.GetProperty("status").GetString() == "running");
        await Api.PostAsync($"tasks/{task.TaskId}/stop");
        await before.UntilAsync("state", told => told.GetProperty("status").GetString() == "stopping");
        await replica.UntilAsync(task.TaskId, "the other replica knows of the stop", state => state.GetProperty("status").GetString() == "stopping");
        await attempt.PrintAsync("last words");
        await attempt.ExitAsync(exitCode: null, EndReason.UserRequest);
        await attempt.EndAsync();

        await using var seen = await WatchClient.WatchAsync(replica, task, $"from={before.Cursor}");
        await seen.ToTheEndAsync();
        Assert.DoesNotContain(seen.Events, told => WatchClient.TypeOf(told) == "state");

        // A cursor of somebody who had more lines but not the stop gets it first.
        await using var unseen = await WatchClient.WatchAsync(replica, task, "from=1.1.2");
        await unseen.ToTheEndAsync();
        Assert.Equal(["hello", "state", "exited", "end"], unseen.Events.Select(WatchClient.TypeOf).Where(type => type != "caught_up"));
    }

    private ControlRecord ReadControl()
    {
        using var consumer = Cluster.TailConsumer(Confluent.Kafka.IsolationLevel.ReadUncommitted);
        consumer.Assign(new Confluent.Kafka.TopicPartitionOffset(Cluster.Topics.Control, 0, 0));
        Assert.True(TaskJson.TryDecodeControl(consumer.Consume(TimeSpan.FromSeconds(20)).Message.Value, out var record, out _));
        return record!;
    }
}

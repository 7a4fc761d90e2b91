using System.Net;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Tasks between two attempts.</summary>
public sealed class WaitingTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task An_outcome_is_shown_although_no_worker_has_written_the_end_yet()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        await attempt.PrintAsync("last words");
        await attempt.ExitAsync(exitCode: 3);

        var told = await watcher.UntilAsync("exited");
        Assert.Equal((1, "exit_code", 3), (told.GetProperty("attempt").GetInt32(), told.GetProperty("reason").GetString(), told.GetProperty("exit_code").GetInt32()));
        foreach (var api in new[] { Api, await ReplicaAsync() })
        {
            var detail = (await api.GetAsync($"tasks/{task.TaskId}")).Body;
            Assert.Equal("running", detail.GetProperty("status").GetString());
            var last = detail.GetProperty("attempts")[0];
            Assert.Equal((3, "exit_code"), (last.GetProperty("exit_code").GetInt32(), last.GetProperty("reason").GetString()));
            Assert.Equal(last.GetProperty("ended_at").GetDateTimeOffset(), detail.GetProperty("exited_at").GetDateTimeOffset());
            Assert.Equal(detail.GetProperty("exited_at").GetDateTimeOffset(), (await api.GetAsync("tasks")).Body.GetProperty("tasks")[0].GetProperty("exited_at").GetDateTimeOffset());
            await using var late = await WatchClient.WatchAsync(api, task);
            await late.UntilAsync("caught_up");
            Assert.Equal(told.ToString(), Assert.Single(late.Events, one => WatchClient.TypeOf(one) == "exited").ToString());
        }

        await attempt.EndAsync();
        await watcher.ToTheEndAsync();
        Assert.Single(watcher.Events, one => WatchClient.TypeOf(one) == "exited");
        Assert.False((await Api.GetAsync($"tasks/{task.TaskId}")).Body.TryGetProperty("exited_at", out _));
        await using var behind = await WatchClient.WatchAsync(Api, task, $"from={told.GetProperty("cursor").GetString()}");
        await behind.ToTheEndAsync();
        Assert.DoesNotContain(behind.Events, one => WatchClient.TypeOf(one) == "exited");
    }

    [Fact(Timeout = 60_000)]
    public async Task A_task_that_waits_for_its_next_attempt_says_until_when_and_goes_on()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        var claim = await Worker.ClaimAsync(task.Lane);
        using var first = await claim.StartAsync(task);
        await first.PrintAsync("one", "two");
        await first.ExitAsync(exitCode: 75);
        var dueAt = DateTimeOffset.UtcNow.AddMilliseconds(1500);
        await claim.LetWaitAsync(task, first, Status.RetryWaiting, dueAt);

        var waiting = await watcher.UntilAsync("state", told => told.GetProperty("status").GetString() == "retry_waiting");
        Assert.Equal((1, "exit_code", dueAt), (waiting.GetProperty("attempt").GetInt32(), waiting.GetProperty("reason").GetString(), waiting.GetProperty("due_at").GetDateTimeOffset()));
        var detail = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal(("retry_waiting", "transient", dueAt), (detail.GetProperty("status").GetString(), detail.GetProperty("class").GetString(), detail.GetProperty("due_at").GetDateTimeOffset()));
        Assert.Equal(75, detail.GetProperty("attempts")[0].GetProperty("exit_code").GetInt32());
        Assert.False(detail.TryGetProperty("queue_position", out _));
        Assert.Equal(0, (await Api.GetAsync("queue")).Body.GetProperty("lanes")[task.Lane].GetProperty("unfinished").GetInt32());
        foreach (var query in new[] { "status=retry_waiting", "class=transient" })
            Assert.Equal(task.TaskId, (await Api.GetAsync($"tasks?{query}")).Body.GetProperty("tasks")[0].GetProperty("task_id").GetString());
        Assert.Equal(0, (await Api.GetAsync("tasks?class=permanent")).Body.GetProperty("tasks").GetArrayLength());

        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);
        var (record, lane, _, at) = tasks.NextTask(next => next.Attempt == 2);
        Assert.Equal((task.TaskId, task.Lane), (record.TaskId, lane));
        Assert.True(at >= dueAt.AddMilliseconds(-1));
        var queued = await watcher.UntilAsync("state", told => told.GetProperty("status").GetString() == "queued");
        Assert.Equal(1, queued.GetProperty("attempt").GetInt32());
        await Api.UntilAsync(task.TaskId, "it is in its queue again", state => state.TryGetProperty("queue_position", out var position) && position.GetInt32() == 0);
        using var second = await claim.StartAsync(task, attempt: 2);
        await second.PrintAsync("three");
        await second.ExitAsync();
        await second.EndAsync(first.Summary());
        await watcher.ToTheEndAsync();

        Assert.Equal(["queued", "starting", "running", "retry_waiting", "queued", "starting", "running"],
            watcher.Events.Where(told => WatchClient.TypeOf(told) == "state").Select(told => told.GetProperty("status").GetString()));
        Assert.Equal(["one", "two", "three"], watcher.Texts);
        await using var elsewhere = await WatchClient.WatchAsync(replica, task, $"from={waiting.GetProperty("cursor").GetString()}");
        await elsewhere.ToTheEndAsync();
        Assert.Equal(["three"], elsewhere.Texts);
        Assert.DoesNotContain(elsewhere.Events, told => told.TryGetProperty("status", out var status) && status.GetString() == "retry_waiting");
    }

    [Fact(Timeout = 60_000)]
    public async Task A_held_task_waits_for_a_person_also_on_a_replica_that_comes_later()
    {
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var lost = await claim.StartAsync(task);
        await lost.PrintAsync("so far");
        await claim.LetWaitAsync(task, lost, Status.Held);
        await Api.UntilAsync(task.TaskId, "it is held", state => state.GetProperty("status").GetString() == "held");
        var replica = await ReplicaAsync();
        var held = (await replica.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal(("held", "worker_lost"), (held.GetProperty("status").GetString(), held.GetProperty("attempts")[0].GetProperty("reason").GetString()));
        Assert.False(held.TryGetProperty("due_at", out _));

        var (status, answer) = await replica.PostAsync($"tasks/{task.TaskId}/release");

        Assert.Equal((HttpStatusCode.Accepted, "queued"), (status, answer.GetProperty("status").GetString()));
        Assert.Equal("queued", (await replica.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("status").GetString());
        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);
        Assert.Equal(task.TaskId, tasks.NextTask(next => next.Attempt == 2).Task.TaskId);
        using var entries = new TopicReader(Cluster, Cluster.Topics.Schedule);
        entries.ToTombstoneOf(ScheduledTask.Key(task.TaskId, 2));
        var (again, problem) = await replica.PostAsync($"tasks/{task.TaskId}/release");
        Assert.Equal(HttpStatusCode.Conflict, again);
        Assert.Contains("is queued; only a task that is held, scheduled or retry_waiting", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await replica.PostAsync("tasks/nobody/release")).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_puts_a_held_task_back_for_its_owner_to_end_it()
    {
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var lost = await claim.StartAsync(task);
        await claim.LetWaitAsync(task, lost, Status.Held);
        await Api.UntilAsync(task.TaskId, "it is held", state => state.GetProperty("status").GetString() == "held");

        await Api.PostAsync($"tasks/{task.TaskId}/stop");

        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);
        Assert.Equal(task.TaskId, tasks.NextTask(next => next.Attempt == 2).Task.TaskId);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_scheduled_task_can_be_released_before_its_time()
    {
        var task = await Api.SubmitAsync(new { type = "echo", delay = "6h", @params = new { text = "x" } });
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/release")).Status);

        var detail = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal(("queued", 0), (detail.GetProperty("status").GetString(), detail.GetProperty("queue_position").GetInt32()));
    }

    [Fact(Timeout = 60_000)]
    public async Task Watchers_hear_at_once_that_an_attempt_was_lost_with_its_worker()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        using var lost = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        using var successor = new ScriptedWorker(Cluster, "w-2");
        await successor.ClaimAsync(task.Lane, epoch: 2);

        var told = await watcher.UntilAsync("state", state => state.TryGetProperty("reason", out _));

        Assert.Equal(("queued", "worker_lost", 1), (told.GetProperty("status").GetString(), told.GetProperty("reason").GetString(), told.GetProperty("attempt").GetInt32()));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_task_whose_state_was_removed_is_forgotten()
    {
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        await Worker.WriteAsync(Cluster.Topics.State, task.Lane, task.TaskId, null);

        await Eventually.TrueAsync("it is forgotten", async () => (await Api.GetAsync($"tasks/{task.TaskId}")).Status == HttpStatusCode.NotFound, TimeSpan.FromSeconds(20));
        Assert.Equal(0, (await Api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }
}

using System.Net;
using System.Text;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Attempts, owners and replicas: what every reader of the log must agree on.</summary>
public sealed class ReplicaTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_second_attempt_is_told_with_its_worker_and_a_zombies_lines_are_void()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        var first = await Worker.ClaimAsync(task.Lane, epoch: 1);
        using var lost = await first.StartAsync(task);
        await lost.PrintAsync("one", "two");
        await watcher.UntilAsync("lines");
        using var successor = new ScriptedWorker(Cluster, "w-2");
        var second = await successor.ClaimAsync(task.Lane, epoch: 2);
        await lost.PrintAsync("from the grave");
        using var attempt = await second.StartAsync(task, attempt: 2);
        await lost.PrintAsync("again");
        await attempt.PrintAsync("one", "two", "three");
        await lost.ExitAsync();
        await attempt.ExitAsync();
        await attempt.EndAsync(lost.Summary() with { Lines = 2, Reason = EndReason.WorkerLost, Hash = null });

        await watcher.ToTheEndAsync();

        var retry = watcher.Events.First(told => WatchClient.TypeOf(told) == "state" && told.GetProperty("attempt").GetInt32() == 2);
        Assert.Equal(("starting", "w-2", "worker_lost"), (retry.GetProperty("status").GetString(), retry.GetProperty("worker").GetString(), retry.GetProperty("reason").GetString()));
        Assert.Equal([(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)], Places(watcher));
        Assert.Equal(attempt.Hash, watcher.Events[^1].GetProperty("hash").GetString());
        Assert.DoesNotContain(watcher.Events, told => WatchClient.TypeOf(told) == "gap");
        var detail = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal(2, detail.GetProperty("attempts").GetArrayLength());
        Assert.Equal("worker_lost", detail.GetProperty("attempts")[0].GetProperty("reason").GetString());
        Assert.Equal(2, detail.GetProperty("attempt").GetInt32());
    }

    [Fact(Timeout = 60_000)]
    public async Task An_attempt_that_was_given_back_is_queued_until_the_next_one()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        var claim = await Worker.ClaimAsync(task.Lane);
        using var first = await claim.StartAsync(task);
        await claim.WriteAsync(new AttemptAbandoned { TaskId = task.TaskId, Attempt = 1, Epoch = claim.Epoch, Owner = claim.Owner, Reason = EndReason.WorkerShutdown, At = DateTimeOffset.UtcNow });
        var back = await watcher.UntilAsync("state", told => told.GetProperty("status").GetString() == "queued" && told.GetProperty("attempt").GetInt32() == 1);
        Assert.Equal("worker_shutdown", back.GetProperty("reason").GetString());
        using var second = await claim.StartAsync(task, attempt: 2);
        await second.FinishAsync();

        await watcher.ToTheEndAsync();

        Assert.Equal(2, watcher.Events[^1].GetProperty("attempt").GetInt32());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_cursor_means_the_same_place_on_another_replica_and_in_another_transport()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await using var here = await WatchClient.WatchAsync(Api, task);
        await here.UntilAsync("lines");
        await attempt.PrintAsync("three");
        await attempt.StoppingAsync();
        await attempt.PrintAsync("four");
        await attempt.FinishAsync();

        await using var there = await WatchClient.WatchAsync(replica, task, $"from={here.Cursor}");
        await there.ToTheEndAsync();
        Assert.Equal(["three", "four"], there.Texts);
        Assert.Equal(["hello", "lines", "state", "lines", "exited", "end"], there.Events.Select(WatchClient.TypeOf).Where(type => type != "caught_up"));

        await using var stream = await EventStreamClient.OpenAsync(replica, task.Link("events"), lastEventId: here.Cursor);
        await stream.ToTheEndAsync();
        Assert.Equal([3, 4], stream.Seqs);
        var page = (await replica.GetAsync($"{task.Link("output")}&after={here.Cursor}")).Body;
        Assert.Equal(["three", "four"], page.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("text").GetString()));

        // Every event has the same cursor everywhere, and hello tells the same of what both have read.
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        await using var all = await WatchClient.WatchAsync(Api, task);
        await all.ToTheEndAsync();
        await using var allThere = await WatchClient.WatchAsync(replica, task);
        await allThere.ToTheEndAsync();
        Assert.Equal(all.Events.Select(told => told.ToString()), allThere.Events.Select(told => told.ToString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task After_a_restart_the_API_knows_everything_again_and_a_watcher_goes_on_where_it_was()
    {
        var before = await ReplicaAsync();
        var finished = await before.SubmitAsync("finished");
        using var quick = await (await Worker.ClaimAsync(finished.Lane)).StartAsync(finished);
        await quick.PrintAsync("quick");
        await quick.FinishAsync();
        var task = await before.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane, epoch: 2);
        using var attempt = await claim.StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await using var watcher = await WatchClient.WatchAsync(before, task);
        await watcher.UntilAsync("lines");
        await before.StopAsync(TestContext.Current.CancellationToken);

        await attempt.PrintAsync("three");
        var after = await ReplicaAsync();
        await using var resumed = await WatchClient.WatchAsync(after, task, $"from={watcher.Cursor}");
        await attempt.FinishAsync();
        await resumed.ToTheEndAsync();

        Assert.Equal(["three"], resumed.Texts);
        Assert.Equal(attempt.Hash, resumed.Events[^1].GetProperty("hash").GetString());
        await using var old = await WatchClient.WatchAsync(after, finished);
        await old.ToTheEndAsync();
        Assert.Equal(["quick"], old.Texts);
        Assert.Equal(2, (await after.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_replica_waits_for_the_record_that_a_link_names_and_only_then_says_unknown()
    {
        var elsewhere = await ReplicaAsync("--Api:KafkaTimeout=00:00:02");
        var task = await Api.SubmitAsync();

        Assert.Equal(HttpStatusCode.OK, (await elsewhere.GetAsync(task.Link("self"))).Status);

        // A record that is still to come: first unknown, and found when it has come.
        var next = await Api.SubmitAsync();
        var late = elsewhere.GetAsync($"tasks/from-kafka?lane={next.Lane}&offset={next.Offset + 1}");
        await Worker.WriteAsync(Cluster.Topics.Tasks, next.Lane, "from-kafka", Encoding.UTF8.GetBytes("""{"task_id":"from-kafka","project":"p","type":"echo","params":{}}"""));
        var (status, body) = await late;
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("p", body.GetProperty("project").GetString());

        using var never = await elsewhere.Http.GetAsync($"tasks/none?lane={next.Lane}&offset=1000000");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, never.StatusCode);
        Assert.NotNull(never.Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.NotFound, (await elsewhere.GetAsync($"tasks/none?lane={next.Lane}&offset=0")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await elsewhere.GetAsync("tasks/none?lane=99&offset=0")).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task Records_that_nobody_can_read_are_skipped_and_counted()
    {
        foreach (var topic in new[] { Cluster.Topics.Tasks, Cluster.Topics.Progress, Cluster.Topics.State, Cluster.Topics.Control })
            await Worker.WriteAsync(topic, 0, "x", "not json"u8.ToArray());
        await Worker.WriteAsync(Cluster.Topics.Progress, 0, "x", """{"kind":"unheard_of","task_id":"x"}"""u8.ToArray());
        await Worker.WriteAsync(Cluster.Topics.Progress, 0, "x", """{"kind":"lines","task_id":"x","attempt":1,"epoch":1,"owner":"o","lines":[null]}"""u8.ToArray());
        await Worker.WriteAsync(Cluster.Topics.State, 0, "x", """{"task_id":"x","status":"failed","attempts":[null],"task":{"task_id":"x","type":"echo"}}"""u8.ToArray());
        await Worker.WriteAsync(Cluster.Topics.State, 0, "x", """{"task_id":"x","status":"failed","lane":4,"task":{"task_id":"x","type":"echo"}}"""u8.ToArray());
        await Worker.WriteAsync(Cluster.Topics.Tasks, 0, "x", """{"task_id":"../etc","type":"echo"}"""u8.ToArray());

        await Eventually.TrueAsync("nine records were skipped", async () => (await Api.GetAsync("healthz")).Body.GetProperty("skipped_records").GetInt64() == 9, TimeSpan.FromSeconds(20));
        var task = await Api.SubmitAsync();
        Assert.Equal(task.TaskId, (await Api.GetAsync("tasks")).Body.GetProperty("tasks")[0].GetProperty("task_id").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task Of_two_records_with_one_id_the_first_in_the_lane_is_the_task()
    {
        await Worker.WriteAsync(Cluster.Topics.Tasks, 1, "mine", """{"task_id":"mine","project":"first","type":"echo"}"""u8.ToArray());
        await Worker.WriteAsync(Cluster.Topics.Tasks, 1, "mine", """{"task_id":"mine","project":"second","type":"echo"}"""u8.ToArray());
        await Eventually.TrueAsync("both were read", async () => (await Api.GetAsync("healthz")).Body.GetProperty("skipped_records").GetInt64() == 1, TimeSpan.FromSeconds(20));

        Assert.Equal("first", (await Api.GetAsync("tasks/mine")).Body.GetProperty("project").GetString());
        Assert.Equal(1, (await Api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }

    private static IEnumerable<(int, int)> Places(WatchClient watcher) =>
        watcher.Events.Where(told => WatchClient.TypeOf(told) == "lines")
            .SelectMany(told => told.GetProperty("lines").EnumerateArray().Select(line => (told.GetProperty("attempt").GetInt32(), line.GetProperty("seq").GetInt32())));
}

using System.Net;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Tasks that were submitted for later.</summary>
public sealed class ScheduleTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_task_with_a_delay_is_scheduled_and_can_be_followed_at_once_on_every_replica()
    {
        var replica = await ReplicaAsync();
        var (status, answer) = await Api.PostAsync("tasks", new { type = "echo", delay = "1h", deadline = "10m", start_by = "5m", priority = "high", @params = new { text = "later" } });

        Assert.Equal((HttpStatusCode.Accepted, "scheduled"), (status, answer.GetProperty("status").GetString()));
        Assert.Contains("schedule=", answer.GetProperty("links").GetProperty("self").GetString(), StringComparison.Ordinal);
        var task = new Submitted(answer);
        Assert.InRange(task.DueAt - DateTimeOffset.UtcNow, TimeSpan.FromMinutes(59), TimeSpan.FromMinutes(60));
        foreach (var api in new[] { Api, replica })
        {
            var (found, detail) = await api.GetAsync(task.Link("self"));
            Assert.Equal((HttpStatusCode.OK, "scheduled", "high"), (found, detail.GetProperty("status").GetString(), detail.GetProperty("priority").GetString()));
            Assert.Equal(task.DueAt, detail.GetProperty("due_at").GetDateTimeOffset());
            Assert.Equal(TimeSpan.FromMinutes(10), detail.GetProperty("deadline").GetDateTimeOffset() - task.DueAt);
            Assert.Equal(TimeSpan.FromMinutes(5), detail.GetProperty("start_by").GetDateTimeOffset() - task.DueAt);
            Assert.False(detail.TryGetProperty("offset", out _));
            Assert.False(detail.TryGetProperty("queue_position", out _));
            Assert.Equal(task.TaskId, (await api.GetAsync("tasks?status=scheduled")).Body.GetProperty("tasks")[0].GetProperty("task_id").GetString());
        }
        await using var watcher = await WatchClient.WatchAsync(replica, task);
        var told = await watcher.UntilAsync("state");
        Assert.Equal(("scheduled", task.DueAt), (told.GetProperty("status").GetString(), told.GetProperty("due_at").GetDateTimeOffset()));
    }

    [Fact(Timeout = 60_000)]
    public async Task No_task_is_early_and_none_waits_much_longer_than_it_should()
    {
        const int Tasks = 60;
        var submitted = await Task.WhenAll(Enumerable.Range(0, Tasks).Select(number => Api.SubmitAsync(new { type = "echo", delay = 1 + (number / 100.0), @params = new { text = "x" } })));
        var due = submitted.ToDictionary(task => task.TaskId);
        await using var watcher = await WatchClient.WatchAsync(Api, submitted[0]);
        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);

        for (var number = 0; number < Tasks; number++)
        {
            var (task, lane, _, at) = tasks.NextTask();
            Assert.True(due.Remove(task.TaskId, out var known));
            Assert.Equal(known.Lane, lane);
            Assert.InRange(at - known.DueAt, TimeSpan.FromMilliseconds(-1), TimeSpan.FromSeconds(2));   // Kafka's times have no fractions of a millisecond
        }

        var queued = await watcher.UntilAsync("state", told => told.GetProperty("status").GetString() == "queued");
        Assert.Equal(0, queued.GetProperty("attempt").GetInt32());
        await Api.UntilAsync(submitted[0].TaskId, "its offset is known", detail => detail.TryGetProperty("offset", out _));
        using var entries = new TopicReader(Cluster, Cluster.Topics.Schedule);
        entries.ToTombstoneOf(ScheduledTask.Key(submitted[0].TaskId, 1));
    }

    [Fact(Timeout = 60_000)]
    public async Task Two_replicas_put_a_task_into_its_queue_and_show_one()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync(new { type = "echo", delay = "500ms", @params = new { text = "x" } });

        using var entries = new TopicReader(Cluster, Cluster.Topics.Schedule);
        entries.ToTombstoneOf(ScheduledTask.Key(task.TaskId, 1));

        foreach (var api in new[] { Api, replica })
        {
            await api.UntilAsync(task.TaskId, "it is queued", detail => detail.GetProperty("status").GetString() == "queued");
            Assert.Equal(1, (await api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
            Assert.Equal(1, (await api.GetAsync("queue")).Body.GetProperty("lanes").EnumerateArray().Sum(lane => lane.GetProperty("unfinished").GetInt32()));
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stop_puts_a_scheduled_task_into_its_queue_at_once_so_that_its_end_is_written()
    {
        var task = await Api.SubmitAsync(new { type = "echo", delay = "6h", @params = new { text = "x" } });
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/stop")).Status);

        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);
        Assert.Equal(task.TaskId, tasks.NextTask().Task.TaskId);
        using var entries = new TopicReader(Cluster, Cluster.Topics.Schedule);
        entries.ToTombstoneOf(ScheduledTask.Key(task.TaskId, 1));
        Assert.Equal("stopping", (await Api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("status").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task What_was_due_while_no_replica_ran_comes_into_its_queue_when_one_starts()
    {
        await Api.StopAsync(TestContext.Current.CancellationToken);
        var claim = await Worker.ClaimAsync(2);
        foreach (var (id, dueAt) in new[] { ("late", DateTimeOffset.UtcNow.AddDays(-1)), ("later", DateTimeOffset.UtcNow.AddDays(1)), ("never", DateTimeOffset.MaxValue), ("over", DateTimeOffset.UtcNow.AddDays(1)) })
            await claim.ScheduleAsync(new ScheduledTask { TaskId = id, DueAt = dueAt, Task = new TaskSubmission { TaskId = id, Type = "echo", RunAt = dueAt } });
        await claim.CommitAsync(new TaskState { TaskId = "over", Status = Status.Stopped, Task = new TaskSubmission { TaskId = "over", Type = "echo" }, Lane = 2, Offset = 0 });

        var replica = await ReplicaAsync();

        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);
        Assert.Equal(("late", 2), (tasks.NextTask() is var first ? first.Task.TaskId : null, first.Lane));
        using var entries = new TopicReader(Cluster, Cluster.Topics.Schedule);
        entries.ToTombstoneOf(ScheduledTask.Key("over", 1));
        await replica.UntilAsync("late", "it is queued", detail => detail.GetProperty("status").GetString() == "queued");
        Assert.Equal("scheduled", (await replica.GetAsync("tasks/later")).Body.GetProperty("status").GetString());
        Assert.Equal(1, (await replica.GetAsync("queue")).Body.GetProperty("lanes")[2].GetProperty("unfinished").GetInt32());
    }

    [Fact(Timeout = 60_000)]
    public async Task An_id_of_ones_own_is_one_scheduled_task_also_from_two_replicas_at_once()
    {
        var replica = await ReplicaAsync();
        var body = new { type = "echo", task_id = "nightly-7", delay = "1h", @params = new { text = "hi" } };
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(number => (number % 2 == 0 ? Api : replica).PostAsync("tasks", body)));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Accepted);
        Assert.Equal(5, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.Single(answers.Select(answer => answer.Body.GetProperty("due_at").GetDateTimeOffset()).Distinct());
        Assert.Equal(HttpStatusCode.Conflict, (await replica.PostAsync("tasks", new { type = "echo", task_id = "nightly-7", delay = "1h", @params = new { text = "ho" } })).Status);
        Assert.Equal(1, (await Api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_time_that_has_passed_means_at_once_and_what_is_not_said_comes_from_the_type()
    {
        var (_, answer) = await Api.PostAsync("tasks", new { type = "tools", command = "export", run_at = "2020-01-01T00:00:00+01:00" });
        Assert.Equal("queued", answer.GetProperty("status").GetString());

        var detail = (await Api.GetAsync($"tasks/{answer.GetProperty("task_id").GetString()}")).Body;
        Assert.Equal("low", detail.GetProperty("priority").GetString());
        Assert.Equal(("tools", 3, 0), KeyOf(detail));
        var submittedAt = detail.GetProperty("submitted_at").GetDateTimeOffset();
        Assert.Equal((TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)), (detail.GetProperty("start_by").GetDateTimeOffset() - submittedAt, detail.GetProperty("deadline").GetDateTimeOffset() - submittedAt));
    }

    [Fact(Timeout = 60_000)]
    public async Task Tasks_of_one_concurrency_key_share_its_slots_and_a_task_says_which_other_it_waits_for()
    {
        Submitted[] tasks = [.. await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Api.SubmitAsync(new { type = "echo", concurrency = new { key = "db", limit = 2 }, @params = new { text = "x" } })))];
        var details = await Task.WhenAll(tasks.Select(async task => (await Api.GetAsync($"tasks/{task.TaskId}")).Body));
        Assert.Equal([("db", 2, 0), ("db", 2, 0), ("db", 2, 1), ("db", 2, 1)], details.Select(KeyOf).Order());
        var slots = tasks.Zip(details).GroupBy(task => KeyOf(task.Second).Slot, task => task.First).Select(slot => slot.OrderBy(task => task.Offset).ToList()).ToList();
        Assert.All(slots, slot => Assert.Equal(slot[0].Lane, slot[1].Lane));

        using var attempt = await (await Worker.ClaimAsync(slots[0][0].Lane)).StartAsync(slots[0][0]);
        await Api.UntilAsync(slots[0][1].TaskId, "it says what it waits for", detail => detail.TryGetProperty("waits_for", out var holder)
            && (holder.GetProperty("key").GetString(), holder.GetProperty("task_id").GetString()) == ("db", slots[0][0].TaskId));
        Assert.False((await Api.GetAsync($"tasks/{slots[1][0].TaskId}")).Body.TryGetProperty("waits_for", out _));
        Assert.Equal(slots[1][0].TaskId, (await Api.GetAsync($"tasks/{slots[1][1].TaskId}")).Body.GetProperty("waits_for").GetProperty("task_id").GetString());
    }

    [Fact(Timeout = 120_000)]
    public async Task Who_waits_for_a_key_sees_who_has_it_or_is_next_at_every_look()
    {
        var tasks = new List<Submitted>();
        for (var number = 0; number < 8; number++)
            tasks.Add(await Api.SubmitAsync(new { type = "echo", concurrency = new { key = "db" }, @params = new { text = "x" } }));
        var claim = await Worker.ClaimAsync(tasks[0].Lane);
        using var passed = new CancellationTokenSource();
        var looks = 0;
        var looking = LookAsync();
        foreach (var task in tasks.SkipLast(2))
        {
            using var attempt = await claim.StartAsync(task);
            await Api.UntilAsync(tasks[^1].TaskId, "the one at work is named", detail => detail.GetProperty("waits_for").GetProperty("task_id").GetString() == task.TaskId);
            await attempt.ExitAsync();
            await Api.UntilAsync(task.TaskId, "it has exited", detail => detail.TryGetProperty("exited_at", out _));
            await attempt.EndAsync();
            await Api.UntilAsync(task.TaskId, "it has ended", detail => detail.TryGetProperty("ended_at", out _));
        }
        await Eventually.TrueAsync("there were hundreds of looks", () => Task.FromResult(Volatile.Read(ref looks) >= 300), TimeSpan.FromSeconds(60));
        await passed.CancelAsync();
        await looking;

        // The last but one is next, and holds nothing yet; the last one waits for it.
        Assert.False((await Api.GetAsync($"tasks/{tasks[^2].TaskId}")).Body.TryGetProperty("waits_for", out _));
        Assert.Equal(tasks[^2].TaskId, (await Api.GetAsync($"tasks/{tasks[^1].TaskId}")).Body.GetProperty("waits_for").GetProperty("task_id").GetString());

        async Task LookAsync()
        {
            while (!passed.IsCancellationRequested)
            {
                var detail = (await Api.GetAsync($"tasks/{tasks[^1].TaskId}")).Body;
                Assert.Equal("queued", detail.GetProperty("status").GetString());
                Assert.True(detail.TryGetProperty("waits_for", out var holder), $"look {looks} names nobody");
                Assert.Contains(tasks, task => task.TaskId == holder.GetProperty("task_id").GetString() && task != tasks[^1]);
                Interlocked.Increment(ref looks);
            }
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task While_a_lost_attempt_may_still_have_the_key_who_waits_is_told_until_when()
    {
        var first = await Api.SubmitAsync(new { type = "echo", concurrency = new { key = "db" }, @params = new { text = "x" } });
        var second = await Api.SubmitAsync(new { type = "echo", concurrency = new { key = "db" }, @params = new { text = "x" } });
        var claim = await Worker.ClaimAsync(first.Lane);
        using var attempt = await claim.StartAsync(first);
        await Api.UntilAsync(second.TaskId, "the one at work is named", detail => detail.TryGetProperty("waits_for", out _));
        var lostAt = DateTimeOffset.UtcNow.AddMinutes(1);   // so that there is time to look
        await claim.WriteAsync(new LaneBarrier { Epoch = 2, Owner = "other", Lane = first.Lane, Worker = "w-2", At = lostAt });

        foreach (var task in new[] { first, second })
            await Api.UntilAsync(task.TaskId, "the lost one is named", detail => detail.TryGetProperty("waits_for", out var holder) && holder.TryGetProperty("until", out var until)
                && holder.GetProperty("task_id").GetString() == first.TaskId && until.GetDateTimeOffset() > lostAt);
    }

    private static (string? Key, int Limit, int Slot) KeyOf(JsonElement detail) => detail.GetProperty("concurrency") is var held
        ? (held.GetProperty("key").GetString(), held.GetProperty("limit").GetInt32(), held.GetProperty("slot").GetInt32())
        : default;
}

using System.Diagnostics;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>What the API tells of the workers, and makes of it.</summary>
public sealed class WorkerTests(TestBroker broker) : ApiTest(broker)
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(20);

    [Fact(Timeout = 60_000)]
    public async Task Workers_are_shown_by_name_with_what_they_do_until_they_leave_or_are_long_silent()
    {
        var now = DateTimeOffset.UtcNow;
        await BeatAsync(Heartbeat("w-2", now) with { Lanes = [1, 3], Waiting = 5, Away = true, Task = new WorkerTask("t-1", 2, now.AddSeconds(-90), Pid: 4711) });
        await BeatAsync(Heartbeat("w-1", now.AddSeconds(-45)));
        await BeatAsync(Heartbeat("w-3", now.AddMinutes(-11)));
        await BeatAsync(Heartbeat("w-4", now));
        await Worker.WriteAsync(Cluster.Topics.Workers, 0, "w-4", null);
        await BeatAsync(Heartbeat("w-5", now) with { Warnings = ["a folder is left"] });

        await Eventually.TrueAsync("the last one is there", async () => (await WorkersAsync()).Any(worker => NameOf(worker) == "w-5"), MaxWait);
        var workers = await WorkersAsync();
        Assert.Equal([("w-1", true), ("w-2", false), ("w-5", false)], workers.Select(worker => (NameOf(worker), worker.GetProperty("lost").GetBoolean())));
        Assert.InRange(workers[0].GetProperty("heartbeat_age").GetDouble(), 45, 100);
        var busy = workers[1];
        Assert.Equal(("host-1", 17, "1.0", 5, true), (busy.GetProperty("host").GetString(), busy.GetProperty("pid").GetInt32(), busy.GetProperty("version").GetString(), busy.GetProperty("waiting").GetInt32(), busy.GetProperty("away").GetBoolean()));
        Assert.Equal([1, 3], busy.GetProperty("lanes").EnumerateArray().Select(lane => lane.GetInt32()));
        var task = busy.GetProperty("task");
        Assert.Equal(("t-1", 2, 4711), (task.GetProperty("task_id").GetString(), task.GetProperty("attempt").GetInt32(), task.GetProperty("pid").GetInt32()));
        Assert.InRange(task.GetProperty("elapsed").GetDouble(), 90, 150);
        Assert.False(workers[2].TryGetProperty("task", out _));
        Assert.Equal("a folder is left", workers[2].GetProperty("warnings")[0].GetString());
        Assert.False(busy.TryGetProperty("warnings", out _));
        Assert.Contains("worker w-5: a folder is left", (await Api.GetAsync("readyz")).Body.GetProperty("warnings").EnumerateArray().Select(warning => warning.GetString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task The_queue_shows_every_lane_with_its_owner_and_its_first_task()
    {
        var first = await Api.SubmitAsync(new { type = "echo", task_id = "a", @params = new { text = "x" } });
        await Worker.WriteAsync(Cluster.Topics.Tasks, first.Lane, "b", TaskJson.Encode(new TaskSubmission { TaskId = "b", Type = "echo" }));
        await Worker.ClaimAsync(first.Lane);
        await BeatAsync(Heartbeat("w-1", DateTimeOffset.UtcNow) with { Paused = [first.Lane] });

        await Eventually.TrueAsync("all of it was read", async () => await LaneAsync(first.Lane) is var lane && lane.TryGetProperty("owner", out _) && lane.GetProperty("unfinished").GetInt32() == 2 && lane.GetProperty("paused").GetBoolean(), MaxWait);
        var shown = await LaneAsync(first.Lane);
        Assert.Equal(("w-1", "a"), (shown.GetProperty("owner").GetString(), shown.GetProperty("head").GetString()));
        Assert.InRange(shown.GetProperty("oldest_age").GetDouble(), 0, 60);
        var other = await LaneAsync((first.Lane + 1) % 4);
        Assert.Equal((0, false), (other.GetProperty("unfinished").GetInt32(), other.TryGetProperty("owner", out _)));
    }

    [Fact(Timeout = 60_000)]
    public async Task No_task_is_put_behind_a_long_one_while_another_worker_has_time()
    {
        using var second = new ScriptedWorker(Cluster, "w-2");
        ScriptedClaim[] claims = [await Worker.ClaimAsync(0), await Worker.ClaimAsync(1), await second.ClaimAsync(2), await second.ClaimAsync(3)];
        await Eventually.TrueAsync("the owners are known", async () => (await LaneAsync(3)).TryGetProperty("owner", out _), MaxWait);
        var task = await Api.SubmitAsync();
        using var attempt = await claims[task.Lane].StartAsync(task);
        await Api.UntilAsync(task.TaskId, "it runs", state => state.GetProperty("status").GetString() == "running");
        var isBusy = (int lane) => lane / 2 == task.Lane / 2;

        var running = Stopwatch.StartNew();

        Assert.False(isBusy((await Api.SubmitAsync()).Lane), "its owner has less to do");
        await Eventually.TrueAsync("it runs for longer than a short task would", () => running.ElapsedMilliseconds > 250, MaxWait);
        for (var number = 0; number < 6; number++)
            Assert.False(isBusy((await Api.SubmitAsync()).Lane));

        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        Assert.True(isBusy((await Api.SubmitAsync()).Lane));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_task_that_waits_for_long_is_written_again_before_its_record_expires_and_is_still_one_task()
    {
        var replica = await ReplicaAsync("--Kafka:TaskRetention=00:00:05");
        var task = await Api.SubmitAsync();
        await Worker.WriteAsync(Cluster.Topics.Tasks, task.Lane, "bare", """{"task_id":"bare","type":"echo"}"""u8.ToArray());
        using var tasks = new TopicReader(Cluster, Cluster.Topics.Tasks);
        var original = tasks.NextTask(found => found.TaskId == task.TaskId);

        var copy = tasks.NextTask(found => found.TaskId == task.TaskId);

        Assert.Equal(original.Lane, copy.Lane);
        Assert.Equal(TaskJson.Encode(original.Task), TaskJson.Encode(copy.Task));
        Assert.InRange(copy.At - original.At, TimeSpan.FromSeconds(3.9), TimeSpan.FromSeconds(5));
        Assert.Equal("bare", tasks.NextTask(found => found is { TaskId: "bare", SubmittedAt: not null }).Task.TaskId);
        foreach (var api in new[] { Api, replica })
        {
            Assert.Equal(2, (await api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
            Assert.Equal(task.Offset, (await api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("offset").GetInt64());
            Assert.Equal(2, (await api.GetAsync("queue")).Body.GetProperty("lanes").EnumerateArray().Sum(lane => lane.GetProperty("unfinished").GetInt32()));
            Assert.Equal(0, (await api.GetAsync("healthz")).Body.GetProperty("skipped_records").GetInt32());
        }
    }

    private static WorkerHeartbeat Heartbeat(string worker, DateTimeOffset at) =>
        new() { Worker = worker, Host = "host-1", Pid = 17, Version = "1.0", StartedAt = at.AddHours(-1), At = at };

    private static string NameOf(JsonElement worker) => worker.GetProperty("worker").GetString()!;

    private Task<long> BeatAsync(WorkerHeartbeat heartbeat) => Worker.WriteAsync(Cluster.Topics.Workers, 0, heartbeat.Worker, TaskJson.Encode(heartbeat));

    private async Task<List<JsonElement>> WorkersAsync() => [.. (await Api.GetAsync("workers")).Body.GetProperty("workers").EnumerateArray()];

    private async Task<JsonElement> LaneAsync(int lane) => (await Api.GetAsync("queue")).Body.GetProperty("lanes")[lane];
}

using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.EndToEnd;

/// <summary>What the pipeline is for, seen from outside: submitted over HTTP, run by real workers, watched over real sockets.</summary>
public sealed class ScenarioTests(TestBroker broker)
{
    private const int Timeout = 90_000;

    [Fact(Timeout = Timeout)]
    public async Task A_submitted_task_is_run_and_watched_from_its_first_line_to_its_end()
    {
        await using var deployment = await Deployment.StartAsync(broker);
        var task = await deployment.SubmitAsync("count", new { lines = 100 });
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        await viewer.ToTheEndAsync();
        AssertSawAll(viewer, 100);
        Assert.Equal("hello", WatchClient.TypeOf(viewer.Events[0]));
        Assert.Equal(WebSocketCloseStatus.NormalClosure, viewer.CloseCode);
    }

    [Fact(Timeout = Timeout)]
    public async Task Somebody_who_comes_late_sees_everything_from_the_first_line()
    {
        await using var deployment = await Deployment.StartAsync(broker);
        var gate = Path.Combine(deployment.Pipeline.Folder, "gate");
        var task = await deployment.SubmitAsync("patient", new { file = gate });
        await using var early = await WatchClient.WatchAsync(deployment.Api, task);
        await early.UntilAsync("lines");
        await using var during = await WatchClient.WatchAsync(deployment.Api, task);
        await during.UntilAsync("caught_up");
        Assert.Equal(["started"], during.Texts);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        await during.ToTheEndAsync();
        await using var after = await WatchClient.WatchAsync(deployment.Api, task);
        await after.ToTheEndAsync();
        Assert.Equal(["started", "released"], during.Texts);
        Assert.Equal(["started", "released"], after.Texts);
        Assert.Equal("end", WatchClient.TypeOf(after.Events[^1]));
    }

    [Fact(Timeout = Timeout)]
    public async Task Many_watchers_of_one_task_on_two_replicas_all_see_every_line_once()
    {
        await using var deployment = await Deployment.StartAsync(broker, replicas: 2);
        var task = await deployment.SubmitAsync("count", new { lines = 2000 });
        var viewers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            var viewer = await WatchClient.ConnectAsync(deployment.Replicas[i % 2], task.Link("watch"));
            return await viewer.ToTheEndAsync();
        }));
        foreach (var viewer in viewers)
        {
            AssertSawAll(viewer, 2000);
            await viewer.DisposeAsync();
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task STOP_on_the_socket_ends_a_silent_agent_within_a_second()
    {
        await using var deployment = await Deployment.StartAsync(broker);
        // How busy the machine is shows in a single time; what is in the way shows in each.
        var times = new List<TimeSpan>();
        for (var stops = 0; stops < 3; stops++)
        {
            var task = await deployment.SubmitAsync("silent");
            await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
            await viewer.UntilAsync("state", told => Deployment.StatusOf(told) == "running");
            var watch = Stopwatch.StartNew();
            await viewer.SendAsync("STOP");
            var end = await viewer.UntilAsync("end");
            times.Add(watch.Elapsed);
            Assert.Equal("stopped", Deployment.StatusOf(end));
            Assert.Equal("user_request", end.GetProperty("reason").GetString());
            Assert.Contains(viewer.Events, told => WatchClient.TypeOf(told) == "state" && Deployment.StatusOf(told) == "stopping");
        }
        Assert.True(times.Min() < TimeSpan.FromSeconds(1), $"it took {string.Join(", ", times)}");
    }

    [Fact(Timeout = Timeout)]
    public async Task A_stop_over_HTTP_ends_a_talking_agent_in_the_middle()
    {
        await using var deployment = await Deployment.StartAsync(broker);
        var task = await deployment.SubmitAsync("script", new { script = "i=0; while :; do i=$((i+1)); echo row $i; sleep 0.01; done" });
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        await viewer.UntilAsync("lines");
        await deployment.StopAsync(task);
        var end = await viewer.UntilAsync("end");
        Assert.Equal("stopped", Deployment.StatusOf(end));
        AssertSawAll(viewer, (int)end.GetProperty("lines").GetInt64(), "stopped");
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_that_is_stopped_in_the_queue_never_starts()
    {
        await using var deployment = await Deployment.StartAsync(broker, workers: 0);
        var task = await deployment.SubmitAsync("say", new { text = "never" });
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        await deployment.StopAsync(task);
        await viewer.UntilAsync("state", told => Deployment.StatusOf(told) == "stopping");
        await deployment.Pipeline.AddWorkerAsync();
        var end = await viewer.UntilAsync("end");
        Assert.Equal(("stopped", 0), (Deployment.StatusOf(end), end.GetProperty("attempt").GetInt32()));
        Assert.Empty(viewer.Lines);
    }

    [Fact(Timeout = Timeout)]
    public async Task When_a_worker_is_killed_the_watcher_stays_and_sees_the_second_attempt_and_one_end()
    {
        await using var deployment = await Deployment.StartAsync(broker, workers: 2);
        var gate = Path.Combine(deployment.Pipeline.Folder, "gate");
        var task = await deployment.SubmitAsync("patient", new { file = gate });
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        var first = await viewer.UntilAsync("state", told => Deployment.StatusOf(told) == "starting");
        await viewer.UntilAsync("lines");
        (await deployment.Pipeline.WorkerOfAsync(task.TaskId)).KillAlone();
        var second = await viewer.UntilAsync("state", told => Deployment.StatusOf(told) == "starting" && told.GetProperty("attempt").GetInt32() == 2);
        Assert.NotEqual(first.GetProperty("worker").GetString(), second.GetProperty("worker").GetString());
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        await viewer.ToTheEndAsync();

        var lines = viewer.Events.Where(told => WatchClient.TypeOf(told) == "lines")
            .SelectMany(told => told.GetProperty("lines").EnumerateArray().Select(line => (told.GetProperty("attempt").GetInt32(), line.GetProperty("text").GetString()!)));
        Assert.Equal([(1, "started"), (2, "started"), (2, "released")], lines);
        var end = Assert.Single(viewer.Events, told => WatchClient.TypeOf(told) == "end");
        Assert.Equal(("succeeded", 2), (Deployment.StatusOf(end), end.GetProperty("attempt").GetInt32()));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_failing_agent_tells_its_watchers_why_and_lets_them_go()
    {
        await using var deployment = await Deployment.StartAsync(broker);
        var task = await deployment.SubmitAsync("script", new { script = "echo 'out of paper' >&2; exit 7" });
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        var end = await viewer.UntilAsync("end");
        Assert.Equal(("failed", 7, "out of paper"), (Deployment.StatusOf(end), end.GetProperty("exit_code").GetInt32(), end.GetProperty("error").GetString()));
        var (_, view) = await deployment.Api.GetAsync($"tasks/{task.TaskId}");
        Assert.Equal(("failed", 7), (Deployment.StatusOf(view), view.GetProperty("exit_code").GetInt32()));
    }

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_prints_DONE_ends_nothing_but_its_line()
    {
        await using var deployment = await Deployment.StartAsync(broker);
        var task = await deployment.SubmitAsync("script", new { script = "echo DONE; echo STOPPED; echo FAILED; echo more" });
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        await viewer.ToTheEndAsync();
        Assert.Equal(["DONE", "STOPPED", "FAILED", "more"], viewer.Texts);
        Assert.Single(viewer.Events, told => WatchClient.TypeOf(told) == "end");
    }

    [Fact(Timeout = Timeout)]
    public async Task A_watcher_resumes_at_another_replica_and_misses_and_repeats_nothing()
    {
        await using var deployment = await Deployment.StartAsync(broker, replicas: 1);
        var gate = Path.Combine(deployment.Pipeline.Folder, "gate");
        var task = await deployment.SubmitAsync("script", new { script = $"for i in 1 2 3; do echo before $i; done; while [ ! -e {gate} ]; do sleep 0.05; done; for i in 1 2 3; do echo after $i; done" });
        var texts = new List<string>();
        string cursor;
        await using (var viewer = await WatchClient.WatchAsync(deployment.Api, task))
        {
            while (viewer.Texts.Count() < 3)
                await viewer.UntilAsync("lines");
            texts.AddRange(viewer.Texts);
            cursor = viewer.Cursor;
        }
        await deployment.Api.StopAsync(TestContext.Current.CancellationToken);   // and a new one builds itself up from Kafka
        var restarted = await deployment.AddReplicaAsync();
        await using var resumed = await WatchClient.ConnectAsync(restarted, $"/tasks/{task.TaskId}/watch?from={cursor}");
        await resumed.UntilAsync("caught_up");
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        await resumed.ToTheEndAsync();
        texts.AddRange(resumed.Texts);
        Assert.Equal(["before 1", "before 2", "before 3", "after 1", "after 2", "after 3"], texts);
    }

    [Fact(Timeout = 180_000)]
    public async Task Two_hundred_tasks_at_once_all_end_once_and_each_watcher_sees_every_line()
    {
        await using var deployment = await Deployment.StartAsync(broker, workers: 4);
        var tasks = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => deployment.SubmitAsync("count", new { lines = 20 })));
        await Task.WhenAll(tasks.Select(async task =>
        {
            await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
            await viewer.ToTheEndAsync();
            AssertSawAll(viewer, 20);
        }));
        foreach (var task in tasks)
        {
            await deployment.Pipeline.EndOfAsync(task.TaskId);
            Assert.Single(deployment.Pipeline.States(task.TaskId));
        }
        var listed = new HashSet<string>();
        for (string? after = ""; after is not null;)
        {
            var (_, page) = await deployment.Api.GetAsync($"tasks?status=succeeded&limit=100{(after.Length == 0 ? "" : $"&after={after}")}");
            foreach (var task in page.GetProperty("tasks").EnumerateArray())
                Assert.True(listed.Add(task.GetProperty("task_id").GetString()!));
            after = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        }
        Assert.Equal(tasks.Select(task => task.TaskId).ToHashSet(), listed);
    }

    private static void AssertSawAll(WatchClient viewer, int lines, string status = "succeeded")
    {
        Assert.Equal(Enumerable.Range(1, lines).Select(n => (long)n), viewer.Lines.Select(line => line.GetProperty("seq").GetInt64()));
        var end = Assert.Single(viewer.Events, told => WatchClient.TypeOf(told) == "end");
        Assert.Equal((status, (long)lines), (Deployment.StatusOf(end), end.GetProperty("lines").GetInt64()));
    }
}

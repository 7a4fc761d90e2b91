using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class WatchTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_watcher_is_told_everything_in_order_and_closed_after_the_end()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.ConnectAsync(Api, task.Link("watch"));
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await attempt.PrintAsync(OutputStream.Stderr, "three");
        await attempt.FinishAsync();

        await watcher.ToTheEndAsync();

        Assert.Equal(["one", "two", "three"], watcher.Texts);
        Assert.Equal(["queued", "starting", "running"], StatesOf(watcher));
        Assert.Equal("hello", WatchClient.TypeOf(watcher.Events[0]));
        Assert.Equal(15, watcher.Events[0].GetProperty("heartbeat").GetInt32());
        Assert.Single(watcher.Events, told => WatchClient.TypeOf(told) == "caught_up");
        var end = watcher.Events[^1];
        Assert.Equal("end", WatchClient.TypeOf(end));
        Assert.Equal("succeeded", end.GetProperty("status").GetString());
        Assert.Equal(0, end.GetProperty("exit_code").GetInt32());
        Assert.Equal(3, end.GetProperty("lines").GetInt64());
        Assert.Equal(attempt.Hash, end.GetProperty("hash").GetString());
        Assert.Equal(HashOf(watcher.Lines), end.GetProperty("hash").GetString());
        Assert.Equal(WebSocketCloseStatus.NormalClosure, watcher.CloseCode);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_late_watcher_sees_every_line_from_the_first_and_one_end()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        for (var line = 1; line <= 300; line++)
            await attempt.PrintAsync($"line {line}");
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        for (var times = 0; times < 3; times++)
        {
            await using var watcher = await WatchClient.WatchAsync(Api, task);
            await watcher.ToTheEndAsync();

            Assert.Equal(Enumerable.Range(1, 300).Select(line => $"line {line}"), watcher.Texts);
            Assert.Equal("caught_up", WatchClient.TypeOf(watcher.Events[^2]));
            Assert.Equal("end", WatchClient.TypeOf(Assert.Single(watcher.Events, told => WatchClient.TypeOf(told) == "end")));
            Assert.True(watcher.Events.Count < 20, $"lines at hand travel together, but there were {watcher.Events.Count} events");
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task Watchers_that_join_at_any_time_each_see_every_line_once()
    {
        const int Lines = 400;
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        List<Task<WatchClient>> watchers = [];
        for (var line = 1; line <= Lines; line++)
        {
            if (line % 10 == 1)
                watchers.Add(JoinAsync());
            await attempt.PrintAsync($"line {line}");
        }
        await attempt.FinishAsync();

        foreach (var watcher in await Task.WhenAll(watchers))
        {
            Assert.Equal(Enumerable.Range(1, Lines), watcher.Lines.Select(line => line.GetProperty("seq").GetInt32()));
            Assert.Equal("end", WatchClient.TypeOf(watcher.Events[^1]));
            await watcher.DisposeAsync();
        }

        async Task<WatchClient> JoinAsync() => await (await WatchClient.WatchAsync(Api, task)).ToTheEndAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watcher_that_comes_back_with_a_cursor_sees_only_what_it_missed()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await using var before = await WatchClient.WatchAsync(Api, task);
        await before.UntilAsync("lines");
        var cursor = before.Cursor;
        await attempt.PrintAsync("three");
        await attempt.PrintAsync("four");
        await attempt.FinishAsync();

        await using var after = await WatchClient.WatchAsync(Api, task, $"from={cursor}");
        await after.ToTheEndAsync();

        Assert.Equal(["three", "four"], after.Texts);
        Assert.DoesNotContain(after.Events, told => WatchClient.TypeOf(told) == "state");
        Assert.Equal(cursor, after.Events[0].GetProperty("cursor").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watcher_may_begin_with_the_last_lines_or_with_now()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one", "two", "three");
        await attempt.PrintAsync("four");
        await Api.UntilAsync(task.TaskId, "four lines are there", state => state.GetProperty("lines").GetInt64() == 4);

        await using var last = await WatchClient.WatchAsync(Api, task, "tail=2");
        await last.UntilAsync("caught_up");
        Assert.Equal(["three", "four"], last.Texts);

        await using var now = await WatchClient.WatchAsync(Api, task, "from=now");
        await now.UntilAsync("caught_up");
        await attempt.PrintAsync("five");
        await attempt.FinishAsync();
        await now.ToTheEndAsync();
        Assert.Equal(["five"], now.Texts);

        await using var late = await WatchClient.WatchAsync(Api, task, "from=now");
        await late.ToTheEndAsync();
        Assert.Equal(["hello", "caught_up", "end"], late.Events.Select(WatchClient.TypeOf));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watcher_may_choose_streams()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("out");
        await attempt.PrintAsync(OutputStream.Stderr, "error");
        await attempt.PrintAsync(OutputStream.System, "system");
        await attempt.FinishAsync();

        await using var watcher = await WatchClient.WatchAsync(Api, task, "stream=stderr,system");
        await watcher.ToTheEndAsync();

        Assert.Equal(["error", "system"], watcher.Texts);
    }

    [Fact(Timeout = 60_000)]
    public async Task Plain_text_is_lines_without_escapes_and_one_last_word()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("\u001b[32mgreen\u001b[0m", "10 %\r20 %\r30 %", "DONE");
        await attempt.FinishAsync(exitCode: 3);

        await using var watcher = await WatchClient.WatchAsync(Api, task, "format=text");
        List<string> texts = [];
        while (await watcher.NextTextAsync() is { } text)
            texts.Add(text);

        Assert.Equal(["green", "30 %", "DONE", "FAILED"], texts);
    }

    [Fact(Timeout = 60_000)]
    public async Task An_agent_that_prints_DONE_does_not_end_its_task()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("DONE");
        await attempt.PrintAsync("""{"kind":"ended","status":"succeeded"}""");
        await attempt.PrintAsync("more");
        await attempt.FinishAsync(exitCode: 1);

        await watcher.ToTheEndAsync();

        Assert.Equal(3, watcher.Lines.Count());
        Assert.Equal("failed", watcher.Events[^1].GetProperty("status").GetString());
        Assert.Equal(1, watcher.Events[^1].GetProperty("exit_code").GetInt32());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_silent_task_has_an_end_too()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        using var attempt = await StartAsync(task);
        await attempt.FinishAsync();

        await watcher.ToTheEndAsync();

        Assert.Empty(watcher.Lines);
        Assert.Equal(0, watcher.Events[^1].GetProperty("lines").GetInt64());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_terminal_record_is_no_end_before_the_state_is_committed_nor_the_state_before_the_lines()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.PrintAsync("one");
        await claim.WriteAsync(new TaskEnded { TaskId = task.TaskId, Attempt = 1, Epoch = claim.Epoch, Owner = claim.Owner, Status = Status.Succeeded, Update = "DONE" });
        await attempt.PrintAsync("two");
        await watcher.UntilAsync("lines", told => told.GetProperty("lines").EnumerateArray().Any(line => line.GetProperty("text").GetString() == "two"));
        Assert.Equal("running", (await Api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("status").GetString());

        // The state names a place in the log that is not written yet.
        await claim.CommitAsync(new TaskState
        {
            TaskId = task.TaskId,
            Status = Status.Succeeded,
            Attempt = 1,
            Attempts = [attempt.Summary() with { Lines = 3 }],
            Task = new TaskSubmission { TaskId = task.TaskId, Type = "echo" },
            Lane = task.Lane,
            Offset = task.Offset,
            LogEnd = attempt.LogEnd + 1,
        });
        await using var other = await WatchClient.WatchAsync(Api, await Api.SubmitAsync());   // the API has read on
        await other.UntilAsync("caught_up");
        Assert.DoesNotContain(watcher.Events, told => WatchClient.TypeOf(told) == "end");
        await attempt.PrintAsync("three");

        await watcher.ToTheEndAsync();

        Assert.Equal(["one", "two", "three"], watcher.Texts);
        Assert.Equal("end", WatchClient.TypeOf(watcher.Events[^1]));
    }

    [Fact(Timeout = 60_000)]
    public async Task Lines_that_are_not_kept_are_named_before_what_follows()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one");
        attempt.Lose(4);
        await attempt.PrintAsync("six");
        attempt.Lose(2);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        await using var watcher = await WatchClient.WatchAsync(Api, task);
        await watcher.ToTheEndAsync();

        Assert.Equal([1, 6], watcher.Lines.Select(line => line.GetProperty("seq").GetInt32()));
        var gaps = watcher.Events.Where(told => WatchClient.TypeOf(told) == "gap").ToList();
        Assert.Equal([(2, 5, 4), (7, 8, 2)], gaps.Select(gap => (gap.GetProperty("from").GetInt32(), gap.GetProperty("to").GetInt32(), gap.GetProperty("count").GetInt32())));
        Assert.Equal(["lines", "gap", "lines", "gap", "exited", "caught_up", "end"], watcher.Events.Select(WatchClient.TypeOf).Where(type => type is not ("hello" or "state")).ToList());
    }

    [Fact(Timeout = 60_000)]
    public async Task What_an_agent_says_of_its_work_is_told_once_in_its_place_and_shown_with_the_task()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await using var live = await WatchClient.WatchAsync(Api, task);
        await attempt.PrintAsync("one");
        await attempt.NoteAsync(AgentEventName.Progress, new { percent = 40, step = "Importing" });
        await attempt.NoteAsync(AgentEventName.Warning, new { message = "no unit" });
        await live.UntilAsync("warning");
        var place = live.Cursor;
        await Api.UntilAsync(task.TaskId, "progress is shown", state => state.TryGetProperty("progress", out var progress) && progress.GetProperty("percent").GetInt32() == 40);
        Assert.Equal("Importing", (await Api.GetAsync("tasks")).Body.GetProperty("tasks")[0].GetProperty("progress").GetProperty("step").GetString());
        await attempt.PrintAsync("two");
        await attempt.NoteAsync(AgentEventName.Result, new { rows = 500 });
        attempt.Result = new { rows = 500 };
        await attempt.FinishAsync();
        await live.ToTheEndAsync();

        string[] Told(WatchClient watcher) => [.. watcher.Events.Select(WatchClient.TypeOf).Where(type => type is not ("hello" or "state" or "caught_up"))];
        Assert.Equal(["lines", "progress", "warning", "lines", "result", "exited", "end"], Told(live));
        await using var late = await WatchClient.WatchAsync(await ReplicaAsync(), task);
        await late.ToTheEndAsync();
        Assert.Equal(Told(live), Told(late));
        await using var returning = await WatchClient.ConnectAsync(Api, $"/tasks/{task.TaskId}/watch?from={place}");
        await returning.ToTheEndAsync();
        Assert.Equal(["lines", "result", "exited", "end"], Told(returning));
        Assert.Equal(500, (await Api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("result").GetProperty("rows").GetInt32());
    }

    [Fact(Timeout = 60_000)]
    public async Task Lines_that_a_worker_left_out_are_one_gap_for_watchers_and_in_the_output()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await using var live = await WatchClient.WatchAsync(Api, task);
        await attempt.PrintAsync("one", "two");
        await attempt.LeaveOutAsync(1000);
        await attempt.PrintAsync("last");
        await attempt.FinishAsync();
        await live.ToTheEndAsync();
        await using var late = await WatchClient.WatchAsync(Api, task);
        await late.ToTheEndAsync();

        foreach (var watcher in new[] { live, late })
        {
            var gap = watcher.Events.Single(told => WatchClient.TypeOf(told) == "gap");
            Assert.Equal((3, 1002, 1000, "output_limit"), (gap.GetProperty("from").GetInt32(), gap.GetProperty("to").GetInt32(), gap.GetProperty("count").GetInt32(), gap.GetProperty("reason").GetString()));
            Assert.Equal([1, 2, 1003], watcher.Lines.Select(line => line.GetProperty("seq").GetInt32()));
            Assert.Equal((1003, attempt.Hash), (watcher.Events[^1].GetProperty("lines").GetInt32(), watcher.Events[^1].GetProperty("hash").GetString()));
        }
        var page = (await Api.GetAsync($"tasks/{task.TaskId}/output")).Body;
        Assert.Equal((3, "output_limit"), (page.GetProperty("gaps")[0].GetProperty("from").GetInt32(), page.GetProperty("gaps")[0].GetProperty("reason").GetString()));
        Assert.Equal(3, page.GetProperty("lines").GetArrayLength());
        Assert.False((await Api.GetAsync($"tasks/{task.TaskId}/output?limit=1")).Body.TryGetProperty("gaps", out _));
        Assert.Equal("one\ntwo\n[lines 3 to 1002 of attempt 1 are left out: more than the output limit]\nlast\n", await Api.Http.GetStringAsync(new Uri($"tasks/{task.TaskId}/output?format=text", UriKind.Relative)));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watcher_that_takes_no_data_is_closed_with_the_cursor_to_come_back_with()
    {
        await using var impatient = await ReplicaAsync("--Api:WriteTimeout=00:00:03");
        var task = await impatient.SubmitAsync();
        using var attempt = await StartAsync(task);
        var line = new string('x', 60_000);
        for (var batch = 0; batch < 60; batch++)
            await attempt.PrintAsync([.. Enumerable.Repeat(line, 10)]);
        await attempt.FinishAsync();
        await impatient.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        await using var slow = await WatchClient.WatchAsync(impatient, task);
        await slow.NextAsync();
        await Task.Delay(TimeSpan.FromSeconds(4.5), TestContext.Current.CancellationToken);   // being slow is the test
        await slow.ToTheEndAsync();
        Assert.Equal(4008, (int?)slow.CloseCode);

        await using var back = await WatchClient.WatchAsync(impatient, task, $"from={slow.CloseReason}");
        await back.ToTheEndAsync();
        Assert.Equal(Enumerable.Range(1, 600), slow.Lines.Concat(back.Lines).Select(told => told.GetProperty("seq").GetInt32()));
    }

    [Theory(Timeout = 60_000)]
    [InlineData("/tasks/nobody/watch", 4504)]
    [InlineData("/tasks/{0}/watch?from=yesterday", 4505)]
    [InlineData("/tasks/{0}/watch?tail=-1", 4505)]
    [InlineData("/tasks/{0}/watch?stream=stdin", 4505)]
    public async Task A_socket_that_cannot_be_served_says_why_in_its_close_code(string path, int code)
    {
        var task = await Api.SubmitAsync();

        await using var watcher = await WatchClient.ConnectAsync(Api, string.Format(null, path, task.TaskId));
        await watcher.ToTheEndAsync();

        Assert.Equal(code, (int?)watcher.CloseCode);
        Assert.NotEmpty(watcher.CloseReason!);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_command_that_is_too_long_or_not_text_closes_the_socket_and_an_unknown_one_is_answered()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);

        await watcher.SendAsync("""{"type":"dance","request_id":"7"}""");
        var answer = await watcher.UntilAsync("error");
        Assert.Equal("7", answer.GetProperty("request_id").GetString());
        Assert.Equal(400, answer.GetProperty("status").GetInt32());

        await watcher.SendAsync(new string('x', 5000));
        await watcher.ToTheEndAsync();
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, watcher.CloseCode);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watch_that_is_no_socket_is_told_what_to_use()
    {
        var (status, body) = await Api.GetAsync("tasks/any/watch");

        Assert.Equal(HttpStatusCode.UpgradeRequired, status);
        Assert.Contains("/tasks/any/events", body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_host_that_stops_closes_its_sockets_with_the_place_to_go_on_from()
    {
        var replica = await ReplicaAsync();
        var task = await replica.SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one");
        await using var watcher = await WatchClient.WatchAsync(replica, task);
        await watcher.UntilAsync("lines");

        var stopping = replica.StopAsync(TestContext.Current.CancellationToken);
        await watcher.ToTheEndAsync();

        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, watcher.CloseCode);
        Assert.Equal(watcher.Cursor, watcher.CloseReason);
        await stopping.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
    }

    private async Task<ScriptedAttempt> StartAsync(Submitted task) => await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);

    private static IEnumerable<string> StatesOf(WatchClient watcher) =>
        watcher.Events.Where(told => WatchClient.TypeOf(told) == "state").Select(told => told.GetProperty("status").GetString()!);

    private static string HashOf(IEnumerable<JsonElement> lines)
    {
        using var hash = new OutputHash();
        foreach (var line in lines)
            hash.Add(new OutputLine(line.GetProperty("seq").GetInt64(), Enum.Parse<OutputStream>(line.GetProperty("stream").GetString()!, ignoreCase: true), line.GetProperty("text").GetString()!, default));
        return hash.ToString();
    }
}

using System.Net;
using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

using TaskPipelineClient = TaskPipeline.Client.TaskPipelineClient;
using TcpProxy = TaskPipeline.Bench.Driving.TcpProxy;

namespace TaskPipeline.Tests.Clients;

/// <summary>The npm package of clients/typescript: in Node over server-sent events or with a WebSocket that it is given, and in a browser.</summary>
public sealed class TypeScriptClientTests(TestBroker broker) : ApiTest(broker)
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task Its_incremental_hash_is_that_of_Node_for_any_lengths_in_any_pieces()
    {
        await using var client = Open(ClientRuntime.Node);
        foreach (var seed in new[] { 1, Random.Shared.Next() })
        {
            await client.SendAsync($"sha256 {seed}");
            Assert.Equal(461, (await client.NextAsync("same")).GetInt32());
        }
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    [InlineData(ClientRuntime.Browser)]
    public async Task A_task_is_watched_from_its_first_line_to_an_end_that_is_proved(ClientRuntime runtime)
    {
        await using var client = Open(runtime);
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var first = await claim.StartAsync(task);
        await WatchAsync(client, task);
        await first.PrintAsync("lost");
        await client.NextAsync("event");
        await first.ExitAsync(exitCode: 75);
        await claim.LetWaitAsync(task, first, Status.RetryWaiting, DateTimeOffset.UtcNow);
        await Api.UntilAsync(task.TaskId, "it is in its queue again", state => state.TryGetProperty("queue_position", out _));
        using var second = await claim.StartAsync(task, attempt: 2);
        await second.PrintAsync("one", "zwei – 2 𝄞", "", new string('x', 40_000));
        await second.PrintAsync(OutputStream.Stderr, "three");
        await second.NoteAsync(AgentEventName.Progress, new { percent = 40, step = "Importing" });
        await second.LeaveOutAsync(5);
        await Api.PostAsync($"tasks/{task.TaskId}/emit", new { name = "approved" });
        await second.PrintAsync(OutputStream.System, "eleven");
        await second.ExitAsync();
        await second.EndAsync(first.Summary());
        await client.NextAsync("over");

        var events = client.All("event").ToList();
        Assert.Equal(["hello", "caught_up", "end"], events.Select(WatchClient.TypeOf).Where(type => type is "hello" or "caught_up" or "end"));
        Assert.Equal(["gap", "progress"], events.Select(WatchClient.TypeOf).Where(type => type is "gap" or "progress").Order());
        Assert.Equal("approved", events.Single(told => WatchClient.TypeOf(told) == "event").GetProperty("name").GetString());
        Assert.Equal(["lost", "one", "zwei – 2 𝄞", "", new string('x', 40_000), "three", "eleven"], LinesOf(events).Select(line => line.GetProperty("text").GetString()));
        Assert.Equal("true", Verified(events));

        Assert.Equal("partial", Verified(await WatchedAsync(client, task, new { tail = 1 })));
        var filtered = await WatchedAsync(client, task, JsonElement.Parse("""{"stream":["stdout","system"]}"""));
        Assert.Equal(["stdout", "system"], LinesOf(filtered).Select(line => line.GetProperty("stream").GetString()).Distinct());
        Assert.Equal("partial", Verified(filtered));
        Assert.Equal("true", Verified(await WatchedAsync(client, task, new { from = events.First(told => WatchClient.TypeOf(told) == "lines").GetProperty("cursor").GetString() })));   // the attempt that decided was seen as a whole
        Assert.DoesNotContain(await WatchedAsync(client, task, new { from = events[^1].GetProperty("cursor").GetString() }), told => WatchClient.TypeOf(told) == "end");
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    [InlineData(ClientRuntime.Browser)]
    public async Task A_connection_that_is_cut_again_and_again_loses_and_doubles_no_line(ClientRuntime runtime)
    {
        const int Cuts = 4;
        await using var proxy = TcpProxy.Start(Api.Address.Port);
        await using var client = Open(runtime, $"http://127.0.0.1:{proxy.Port}/");
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await WatchAsync(client, task);
        await client.NextAsync("event");
        for (var cut = 1; cut <= Cuts; cut++)
        {
            await PrintAsync(records: 9);
            proxy.Cut();
            await client.NextAsync("lost");
            await PrintAsync(records: 1);
            await UntilLineAsync(client, attempt.Lines);   // over a new connection, which the next cut finds
        }
        await attempt.FinishAsync();
        await client.NextAsync("over");

        var events = client.All("event").ToList();
        Assert.Equal(Enumerable.Range(1, Cuts * 200).Select(line => $"{line} {new string('x', 100)}"), LinesOf(events).Select(line => line.GetProperty("text").GetString()));
        Assert.Equal(["hello", "caught_up", "exited", "end"], events.Select(WatchClient.TypeOf).Where(type => type is not ("lines" or "state")));
        Assert.Equal(["queued", "starting", "running"], events.Where(told => WatchClient.TypeOf(told) == "state").Select(state => state.GetProperty("status").GetString()));
        Assert.Equal("true", Verified(events));

        async Task PrintAsync(int records)
        {
            for (; records > 0; records--)
                await attempt.PrintAsync([.. Enumerable.Range(0, 20).Select(line => $"{attempt.Lines + line + 1} {new string('x', 100)}")]);
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task What_was_changed_on_its_way_is_noticed()
    {
        await using var client = Open(ClientRuntime.Node);
        var task = await PrintedAsync([.. Enumerable.Range(1, 10).Select(line => $"line {line}")]);
        foreach (var (what, with, complaint) in new[]
        {
            ("\"text\":\"line 7\"", "\"text\":\"line 8\"", "are not what its agent printed"),
            ("\"seq\":7,\"stream\":\"stdout\"", "\"seq\":7,\"stream\":\"stderr\"", "are not what its agent printed"),
            ("\\{\"seq\":7,[^}]*\\},", "", "lines 7 to 7 of attempt 1 are missing"),
            ("(\\{\"seq\":7,[^}]*\\},)", "$1$1", "line 7 of attempt 1 came twice"),
            (",\\{\"seq\":10,[^}]*\\}", "", "has 10 lines, but the last one received is line 9"),
        })
        {
            await WatchAsync(client, task, new { tamper = new[] { what, with } });
            var refused = await client.NextAsync("refused");
            Assert.Equal("OutputMismatchError", refused.GetProperty("name").GetString());
            Assert.Contains(complaint, refused.GetProperty("message").GetString(), StringComparison.Ordinal);
            Assert.DoesNotContain(client.All("event"), told => WatchClient.TypeOf(told) == "end");
        }
        Assert.Equal("false", Verified(await WatchedAsync(client, task, JsonElement.Parse("""{"tamper":["line 7","line 8"],"verify":false}"""))));
    }

    [Fact(Timeout = Timeout)]
    public async Task What_nobody_keeps_is_proved_as_far_as_it_can_be()
    {
        await using var client = Open(ClientRuntime.Node);
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one");
        attempt.Lose(4);
        await attempt.PrintAsync("six");
        attempt.Lose(2);
        await attempt.FinishAsync();
        Assert.Equal("partial", Verified(await WatchedAsync(client, task)));

        await client.SendAsync(Call("output", task.TaskId, new { seq = 1 }));
        var output = (await client.NextAsync("answer")).EnumerateArray().Select(item => item.TryGetProperty("seq", out var seq) ? $"{seq}" : $"{item.GetProperty("from")}-{item.GetProperty("to")} {item.GetProperty("count")} {item.GetProperty("reason").GetString()}");
        Assert.Equal(["1", "2-5 4 not_kept", "6", "7-8 2 not_kept"], output);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    public async Task Who_takes_no_events_for_a_while_holds_the_stream_back_and_misses_none(ClientRuntime runtime)
    {
        const int Records = 60;
        await using var client = Open(runtime);
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        for (var record = 0; record < Records; record++)
            await attempt.PrintAsync([.. Enumerable.Range(0, 10).Select(_ => new string('x', 6_000))]);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        await WatchAsync(client, task, new { hold = "lines", maxBuffered = 200_000 });
        await client.NextAsync("holding");
        await client.SendAsync(Call("output", task.TaskId, new { }));   // that long the watch stands still, with all of it there to be sent
        await client.NextAsync("answer");
        await client.SendAsync("go");
        if (runtime == ClientRuntime.Node)
            Assert.InRange((await client.NextAsync("read")).GetInt32(), 6_000, 500_000);
        else
            Assert.Contains("slower", (await client.NextAsync("lost")).GetProperty("reason").GetString(), StringComparison.Ordinal);
        await client.NextAsync("over");
        var events = client.All("event").ToList();
        Assert.Equal(Enumerable.Range(1, Records * 10), LinesOf(events).Select(line => line.GetProperty("seq").GetInt32()));
        Assert.Equal("true", Verified(events));
    }

    [Fact(Timeout = Timeout)]
    public async Task Who_is_closed_for_taking_nothing_comes_back_for_the_rest()
    {
        const int Records = 60;
        var impatient = await ReplicaAsync("--Api:WriteTimeout=00:00:03");
        await using var client = Open(ClientRuntime.NodeWithSockets, impatient.Address.ToString());
        var task = await PrintedAsync(Records, [.. Enumerable.Repeat(new string('x', 60_000), 10)]);
        await impatient.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        var events = await WatchedAsync(client, task, new { block = "lines", maxBuffered = 1_000_000_000 });
        Assert.Contains("4008", Assert.Single(client.All("lost")).GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(1, Records * 10), LinesOf(events).Select(line => line.GetProperty("seq").GetInt32()));
        Assert.Equal("true", Verified(events));
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    public async Task A_replica_that_is_not_ready_is_asked_again_until_it_is(ClientRuntime runtime)
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var prefix = await broker.NewPipelineAsync();
        await broker.SendAsync("down");
        await using var api = await ApiUnderTest.StartUnreadyAsync(broker, prefix);
        await using var client = Open(runtime, api.Address.ToString());
        await client.SendAsync("watch nobody");
        var lost = (await client.NextAsync("lost")).GetProperty("reason").GetString();
        Assert.Contains(runtime == ClientRuntime.Node ? "Not ready" : "4013", lost, StringComparison.Ordinal);

        await broker.SendAsync("up");
        Assert.Equal("NotFoundError", (await client.NextAsync("refused")).GetProperty("name").GetString());
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    [InlineData(ClientRuntime.Browser)]
    public async Task Many_tasks_are_watched_over_lost_connections_and_it_is_told_where_some_were_missed(ClientRuntime runtime)
    {
        var elsewhere = await ReplicaAsync();
        await using var proxy = TcpProxy.Start(Api.Address.Port);
        await using var client = Open(runtime, $"http://127.0.0.1:{proxy.Port}/");
        await client.SendAsync("""view {"project":"shop"}""");
        Assert.Equal("shop", (await client.NextAsync("event")).GetProperty("project").GetString());
        var task = await Api.SubmitAsync(project: "shop");
        Assert.Equal("queued", (await client.NextAsync("event")).GetProperty("status").GetString());

        proxy.Cut();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.NoteAsync(AgentEventName.Progress, new { percent = 40 });
        await attempt.FinishAsync();
        string[] told = [WatchClient.TypeOf(await client.NextAsync("event")), WatchClient.TypeOf(await client.NextAsync("event")), WatchClient.TypeOf(await client.NextAsync("event")), WatchClient.TypeOf(await client.NextAsync("event"))];
        Assert.Equal(["state", "state", "progress", "end"], told);

        proxy.Target = elsewhere.Address.Port;
        proxy.Cut();
        Assert.Equal("missed", WatchClient.TypeOf(await client.NextAsync("event")));
        await client.SendAsync("abort");
        Assert.Equal("AbortError", (await client.NextAsync("refused")).GetProperty("name").GetString());
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    [InlineData(ClientRuntime.Browser)]
    public async Task All_replicas_are_restarted_in_turn_under_load_and_no_watcher_misses_a_line(ClientRuntime runtime)
    {
        const int Watchers = 10;
        ApiUnderTest[] replicas = [await ReplicaAsync(), await ReplicaAsync()];
        await using var balancer = TcpProxy.Start(replicas[0].Address.Port);
        var address = $"http://127.0.0.1:{balancer.Port}/";
        await using var script = Open(runtime, address);
        using var client = new TaskPipelineClient(new Uri(address));
        var task = await Api.SubmitAsync();
        foreach (var replica in replicas)
            await replica.UntilAsync(task.TaskId, "it is known", _ => true);
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await WatchAsync(script, task);
        var watching = Enumerable.Range(0, Watchers).Select(_ => client.WatchAsync(task.TaskId, cancellationToken: TestContext.Current.CancellationToken).ToListAsync().AsTask()).ToList();
        using var over = new CancellationTokenSource();
        var printing = PrintAsync();
        try
        {
            await AfterAsync(0);
            for (var turn = 0; turn < replicas.Length; turn++)
            {
                balancer.Target = replicas[1 - turn].Address.Port;
                await replicas[turn].StopAsync(TestContext.Current.CancellationToken);
                await AfterAsync(attempt.Lines);
                replicas[turn] = await ReplicaAsync();
            }
        }
        finally
        {
            await over.CancelAsync();
            await printing;
        }
        await attempt.FinishAsync();

        await script.NextAsync("over");
        var events = script.All("event").ToList();
        Assert.Equal(Enumerable.Range(1, (int)attempt.Lines), LinesOf(events).Select(line => line.GetProperty("seq").GetInt32()));
        Assert.Equal("true", Verified(events));
        var losses = script.All("lost").Select(lost => lost.GetProperty("reason").GetString()!).ToList();
        Assert.InRange(losses.Count, 2, int.MaxValue);
        if (runtime != ClientRuntime.Node)
            Assert.Equal(2, losses.Count(reason => reason.Contains("1001", StringComparison.Ordinal)));
        foreach (var told in await Task.WhenAll(watching))
        {
            Assert.Equal(Enumerable.Range(1, (int)attempt.Lines), told.OfType<Client.LinesEvent>().SelectMany(lines => lines.Lines).Select(line => (int)line.Seq));
            Assert.True(Assert.IsType<Client.EndEvent>(told[^1]).IsVerified);
        }

        Task AfterAsync(long printed) =>
            script.HasToldAsync("event", told => WatchClient.TypeOf(told) == "lines" && told.GetProperty("lines")[0].GetProperty("seq").GetInt64() > printed);

        async Task PrintAsync()
        {
            using var beat = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!over.IsCancellationRequested && await beat.WaitForNextTickAsync())
                await attempt.PrintAsync([.. Enumerable.Range(1, 20).Select(line => $"line {attempt.Lines + line}")]);
        }
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    public async Task Refusals_of_a_watch_are_errors_by_name(ClientRuntime runtime)
    {
        await using var client = Open(runtime);
        await client.SendAsync("watch nobody");
        var unknown = await client.NextAsync("refused");
        Assert.Equal(("NotFoundError", 404, "There is no task 'nobody'"), (unknown.GetProperty("name").GetString(), unknown.GetProperty("status").GetInt32(), unknown.GetProperty("message").GetString()));
        var task = await Api.SubmitAsync();
        await WatchAsync(client, task, new { from = "yesterday" });
        var unfit = await client.NextAsync("refused");
        Assert.Equal(("InvalidRequestError", 400), (unfit.GetProperty("name").GetString(), unfit.GetProperty("status").GetInt32()));
        Assert.Contains("from must be a cursor, start or now", unfit.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Empty(client.All("lost"));

        await WatchAsync(client, task, new { transport = "carrier pigeon" });
        Assert.Contains("transport", (await client.NextAsync("refused")).GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_API_that_is_not_there_is_tried_again_and_then_named()
    {
        var gone = TcpProxy.Start(Api.Address.Port);
        var address = $"http://127.0.0.1:{gone.Port}/";
        await gone.DisposeAsync();
        await using var client = Open(ClientRuntime.Node, address);
        await client.SendAsync("""watch nobody {"maxTries":2}""");
        Assert.Equal(1, (await client.NextAsync("lost")).GetProperty("tries").GetInt32());
        Assert.Equal(2, (await client.NextAsync("lost")).GetProperty("tries").GetInt32());
        Assert.Equal("ConnectionError", (await client.NextAsync("refused")).GetProperty("name").GetString());
        await client.SendAsync(Call("get", "nobody"));
        var refused = await client.NextAsync("refused");
        Assert.Equal("ConnectionError", refused.GetProperty("name").GetString());
        Assert.Contains("cannot be reached", refused.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.Node)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    public async Task A_watch_is_left_by_an_abort_or_a_break_and_leaves_nothing_behind(ClientRuntime runtime)
    {
        await using var client = Open(runtime);
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await WatchAsync(client, task);
        await attempt.PrintAsync("one");
        await UntilLineAsync(client, 1);
        await client.SendAsync("abort");
        Assert.Equal("AbortError", (await client.NextAsync("refused")).GetProperty("name").GetString());
        await WatchAsync(client, task, new { leave = "lines" });
        await client.NextAsync("over");
        await client.EndAsync();   // of its own accord: no socket and no timer is left
    }

    [Fact(Timeout = Timeout)]
    public async Task Every_call_of_the_API_can_be_made()
    {
        await using var client = Open(ClientRuntime.Node);
        async Task<JsonElement> CallAsync(string method, params object[] arguments)
        {
            await client.SendAsync(Call(method, arguments));
            return await client.NextAsync("answer");
        }
        async Task<(string? Name, IEnumerable<string?> Fields)> RefusedAsync(string method, params object[] arguments)
        {
            await client.SendAsync(Call(method, arguments));
            var refused = await client.NextAsync("refused");
            return (refused.GetProperty("name").GetString(), refused.GetProperty("fields").EnumerateArray().Select(field => field.GetString()));
        }

        var body = new { type = "echo", @params = new { text = "hello" }, project = "shop" };
        var answer = await CallAsync("submit", body, new { idempotencyKey = "one" });
        var task = new Submitted(answer);
        Assert.Equal(task.TaskId, (await CallAsync("submit", body, new { idempotencyKey = "one" })).GetProperty("task_id").GetString());
        var (name, fields) = await RefusedAsync("submit", new { type = "echo", delay = "soon" });
        Assert.Equal("InvalidRequestError", name);
        Assert.Equal(["delay", "params.text"], fields.Order());

        var elsewhere = await ReplicaAsync();   // the links of an answer make it known at once, wherever they are followed
        Assert.Equal("queued", (await CallAsync("get", answer)).GetProperty("status").GetString());
        Assert.Equal(task.TaskId, (await CallAsync("list", new { project = "shop", status = "queued" })).GetProperty("tasks")[0].GetProperty("task_id").GetString());
        Assert.Equal("ConflictError", (await RefusedAsync("pause", task.TaskId)).Name);
        Assert.Equal("ConflictError", (await RefusedAsync("input", task.TaskId, new { text = "yes" })).Name);
        Assert.Equal(["text"], (await RefusedAsync("input", task.TaskId, new { })).Fields);

        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("Needle", "hay");
        await elsewhere.UntilAsync(task.TaskId, "it runs", state => state.GetProperty("lines").GetInt32() == 2);
        await Api.UntilAsync(task.TaskId, "it runs", state => state.GetProperty("lines").GetInt32() == 2);
        Assert.Equal("paused", (await CallAsync("pause", task.TaskId)).GetProperty("status").GetString());
        Assert.Equal("running", (await CallAsync("resume", task.TaskId)).GetProperty("status").GetString());
        Assert.Equal("ConflictError", (await RefusedAsync("release", task.TaskId)).Name);
        var emitted = (await CallAsync("emit", task.TaskId, "approved", new { by = "Ada" }, new { idempotencyKey = "once" })).GetProperty("event_id").GetString();
        Assert.Equal(emitted, (await CallAsync("emit", task.TaskId, "approved", new { by = "Ada" }, new { idempotencyKey = "once" })).GetProperty("event_id").GetString());
        Assert.Equal((5, "note.txt"), await CallAsync("storeFile", "hello", "note.txt") is var stored ? (stored.GetProperty("size").GetInt32(), stored.GetProperty("name").GetString()) : default);
        Assert.Empty((await CallAsync("artifacts", task.TaskId)).EnumerateArray());
        Assert.Equal("NotFoundError", (await RefusedAsync("openArtifact", task.TaskId, new { attempt = 1, name = "sub/a book.txt" })).Name);
        Assert.Equal("stopping", (await CallAsync("stop", task.TaskId, new { reason = "wrong workbook" })).GetProperty("status").GetString());
        var cursor = (await CallAsync("get", task.TaskId)).GetProperty("cursor").GetString()!;
        await client.SendAsync(Call("get", task.TaskId, new { after = cursor, wait = "30s" }));
        await client.SendAsync(Call("output", task.TaskId, new { q = "needle", follow = true }));
        await attempt.DieAsync(new TaskSubmission { TaskId = task.TaskId, Type = "echo", Params = new() { ["text"] = JsonElement.Parse("\"hello\"") } });
        JsonElement[] answers = [await client.NextAsync("answer"), await client.NextAsync("answer")];
        Assert.Equal("Needle", Assert.Single(answers.Single(found => found.ValueKind == JsonValueKind.Array).EnumerateArray()).GetProperty("text").GetString());
        Assert.Equal("wrong workbook", answers.Single(found => found.ValueKind == JsonValueKind.Object).GetProperty("stop").GetProperty("reason").GetString());
        Assert.Equal("ConflictError", (await RefusedAsync("stop", task.TaskId)).Name);

        await Eventually.TrueAsync("the dead letter is known", async () => (await Api.GetAsync($"dead-letters/{task.TaskId}")).Status == HttpStatusCode.OK, TimeSpan.FromSeconds(30));
        Assert.Equal(task.TaskId, (await CallAsync("deadLetters", new { resolved = "all" })).GetProperty("dead_letters")[0].GetProperty("id").GetString());
        var redrive = await CallAsync("redrive", task.TaskId);
        Assert.Equal(task.TaskId, (await CallAsync("get", redrive)).GetProperty("redrive_of").GetString());
        var replay = await CallAsync("replay", task.TaskId, new { @params = new { text = "again" } });
        Assert.Equal("again", (await CallAsync("get", replay)).GetProperty("params").GetProperty("text").GetString());
        Assert.Equal("NotFoundError", (await RefusedAsync("redrive", "nobody")).Name);
    }

    /// <summary>A browser has six connections to an origin, and event streams keep theirs.</summary>
    [Theory(Timeout = Timeout)]
    [InlineData(ClientRuntime.NodeWithSockets)]
    [InlineData(ClientRuntime.Browser)]
    public async Task Many_watches_over_event_streams_leave_room_for_calls(ClientRuntime runtime)
    {
        const int Watches = 8;
        await using var client = Open(runtime);
        var tasks = await Task.WhenAll(Enumerable.Range(0, Watches).Select(_ => Api.SubmitAsync()));
        foreach (var task in tasks)
            await WatchAsync(client, task, new { transport = "sse" });
        foreach (var task in tasks)
            await client.HasToldAsync("event", told => WatchClient.TypeOf(told) == "hello" && told.GetProperty("task_id").GetString() == task.TaskId);

        await client.SendAsync(Call("stop", tasks[^1].TaskId));

        Assert.Equal("stopping", (await client.NextAsync("answer")).GetProperty("status").GetString());
    }

    private JavaScriptClient Open(ClientRuntime runtime, string? url = null)
    {
        Assert.SkipUnless(File.Exists(Path.Combine(BuildOutput.Repository, "clients", "typescript", "dist", "index.js")), "clients/typescript is not built: ./build setup builds it where Node.js is");
        url ??= Api.Address.ToString();
        return runtime switch
        {
            ClientRuntime.Node => JavaScriptClient.Start("client.mjs", url),
            ClientRuntime.NodeWithSockets => JavaScriptClient.Start("client.mjs", url, "ws"),
            _ => JavaScriptClient.Start("client-browser.mjs", url, JavaScriptClient.FindChromium()),
        };
    }

    /// <summary>A task that has printed this and ended.</summary>
    private Task<Submitted> PrintedAsync(params IReadOnlyList<string> lines) => PrintedAsync(records: 1, lines);

    private async Task<Submitted> PrintedAsync(int records, IReadOnlyList<string> lines)
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        for (; records > 0; records--)
            await attempt.PrintAsync(lines);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        return task;
    }

    private static Task WatchAsync(JavaScriptClient client, Submitted task, object? options = null) =>
        client.SendAsync($"watch {task.TaskId} {JsonSerializer.Serialize(options ?? new { })}");

    private static string Call(string method, params object[] arguments) => $"call {method} {JsonSerializer.Serialize(arguments)}";

    /// <summary>Until it has told this line, be it now or before.</summary>
    private static Task UntilLineAsync(JavaScriptClient client, long seq) =>
        client.HasToldAsync("event", told => WatchClient.TypeOf(told) == "lines" && told.GetProperty("lines").EnumerateArray().Last().GetProperty("seq").GetInt64() == seq);

    /// <summary>The events of a watch from its beginning to its end.</summary>
    private static async Task<List<JsonElement>> WatchedAsync(JavaScriptClient client, Submitted task, object? options = null)
    {
        var before = client.All("event").Count();
        await WatchAsync(client, task, options);
        await client.NextAsync("over");
        return [.. client.All("event").Skip(before)];
    }

    private static IEnumerable<JsonElement> LinesOf(IEnumerable<JsonElement> events) =>
        events.Where(told => WatchClient.TypeOf(told) == "lines").SelectMany(told => told.GetProperty("lines").EnumerateArray());

    private static string Verified(IReadOnlyList<JsonElement> events) => events[^1].GetProperty("verified").ToString().ToLowerInvariant();
}

/// <summary>Where a client of JavaScript runs.</summary>
public enum ClientRuntime
{
    /// <summary>Node 20 has no WebSocket, so it watches over server-sent events.</summary>
    Node,

    /// <summary>With the WebSocket of the npm package ws.</summary>
    NodeWithSockets,

    Browser,
}

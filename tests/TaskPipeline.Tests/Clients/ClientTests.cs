using System.Net;
using System.Text.Json.Nodes;
using TaskPipeline.Client;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;
using OutputStream = TaskPipeline.Shared.Tasks.OutputStream;
using Status = TaskPipeline.Client.Status;
using TcpProxy = TaskPipeline.Bench.Driving.TcpProxy;

namespace TaskPipeline.Tests.Clients;

/// <summary>The .NET client library against a whole API, over real sockets.</summary>
public sealed class ClientTests(TestBroker broker) : ApiTest(broker)
{
    private const int Timeout = 60_000;

    private TaskPipelineClient _client = null!;

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _client = new TaskPipelineClient(Api.Address);
    }

    public override async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await base.DisposeAsync();
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_is_submitted_with_all_that_is_given_and_with_a_key_once()
    {
        var runAt = DateTimeOffset.UtcNow.AddHours(1);
        var task = new NewTask
        {
            Type = "tools",
            Command = "import",
            Params = new JsonObject { ["main_tab"] = "A", ["file"] = "b.xlsx" },
            Project = "shop",
            Labels = new Dictionary<string, string> { ["ticket"] = "T-1" },
            RunAt = runAt,
            StartBy = TimeSpan.FromMinutes(10),
            Deadline = runAt.AddHours(2),
            Priority = Client.Priority.Low,
            Concurrency = new Client.Concurrency { Key = "db", Limit = 2 },
        };
        var submitted = await _client.SubmitAsync(task, "k-1", TestEnds);
        Assert.Equal(Status.Scheduled, submitted.Status);
        Assert.Equal(runAt, submitted.DueAt!.Value, TimeSpan.FromMilliseconds(1));
        Assert.Equal(submitted.TaskId, (await _client.SubmitAsync(task, "k-1", TestEnds)).TaskId);
        var refused = await Assert.ThrowsAsync<TaskPipelineException>(() => _client.SubmitAsync(task with { Project = "shop", Command = "export", Params = null }, "k-1", TestEnds));
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);

        var detail = await _client.GetAsync(submitted.TaskId, cancellationToken: TestEnds);
        Assert.Equal(("tools", "import", "shop", "T-1", "b.xlsx"), (detail.Type, detail.Command, detail.Project, detail.Labels!["ticket"], (string?)detail.Params["file"]));
        Assert.Equal((Client.Priority.Low, "db", 2), (detail.Priority, detail.Concurrency!.Key, detail.Concurrency.Limit));
        Assert.Equal(TimeSpan.FromMinutes(10), detail.StartBy - detail.DueAt);
        Assert.Equal(runAt.AddHours(2), detail.Deadline!.Value, TimeSpan.FromMilliseconds(1));
        var later = await SubmittedAsync(new NewTask { Type = "echo", Params = Text("x"), Delay = TimeSpan.FromMinutes(5) });
        Assert.Equal(DateTimeOffset.UtcNow.AddMinutes(5), later.DueAt!.Value, TimeSpan.FromSeconds(30));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_watch_tells_all_in_order_and_its_end_is_verified()
    {
        var task = await SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await attempt.PrintAsync(OutputStream.Stderr, "größer");
        await attempt.NoteAsync(AgentEventName.Progress, new { percent = 40, step = "Importing" });
        await attempt.NoteAsync(AgentEventName.Warning, new { message = "row 2 has no unit" });
        await attempt.LeaveOutAsync(7);
        await attempt.PrintAsync("last");
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/emit", new { name = "approved", data = new { by = "Ada" } })).Status);
        attempt.Result = new { rows = 500 };
        await attempt.FinishAsync();

        var told = await _client.WatchAsync(task, cancellationToken: TestEnds).ToListAsync(TestEnds);

        Assert.IsType<HelloEvent>(told[0]);
        Assert.Equal([1, 2, 3, 11], Seqs(told));
        Assert.Equal("größer", told.OfType<LinesEvent>().SelectMany(lines => lines.Lines).Single(line => line.Stream == Client.OutputStream.Stderr).Text);
        Assert.Equal((40, "Importing"), (told.OfType<ProgressEvent>().Single().Percent, told.OfType<ProgressEvent>().Single().Step));
        Assert.Equal("row 2 has no unit", told.OfType<WarningEvent>().Single().Message);
        Assert.Equal((4, 10, 7), (told.OfType<GapEvent>().Single().From, told.OfType<GapEvent>().Single().To, told.OfType<GapEvent>().Single().Count));
        Assert.Equal(("approved", "Ada"), (told.OfType<EmittedEvent>().Single().Name, told.OfType<EmittedEvent>().Single().Data!.Value.GetProperty("by").GetString()));
        Assert.Contains(told, one => one is StateEvent { Status.Word: "running", Attempt: 1 });
        var end = Assert.IsType<EndEvent>(told[^1]);
        Assert.Equal((Status.Succeeded, 0, 11L, 500), (end.Status, end.ExitCode, end.Lines, end.Result!.Value.GetProperty("rows").GetInt32()));
        Assert.True(end.IsVerified);

        // Whoever has not seen every line proves nothing, and is told so.
        var tail = Assert.IsType<EndEvent>((await _client.WatchAsync(task.TaskId, new WatchOptions { Tail = 1 }, TestEnds).ToListAsync(TestEnds))[^1]);
        Assert.Equal(Verification.NotAllSeen, tail.Verification);
        var stderr = await _client.WatchAsync(task.TaskId, new WatchOptions { Streams = [Client.OutputStream.Stderr] }, TestEnds).ToListAsync(TestEnds);
        Assert.Equal([3], Seqs(stderr));
        Assert.Equal(Verification.NotAllSeen, Assert.IsType<EndEvent>(stderr[^1]).Verification);
        Assert.DoesNotContain(await _client.WatchAsync(task.TaskId, new WatchOptions { From = end.Cursor }, TestEnds).ToListAsync(TestEnds), one => one is EndEvent or LinesEvent);
    }

    [Fact(Timeout = Timeout)]
    public async Task Cut_connections_lose_and_double_nothing()
    {
        const int Cuts = 8;
        const int Records = 20;
        const int LinesPerRecord = 50;
        await using var proxy = TcpProxy.Start(Api.Address.Port);
        using var client = new TaskPipelineClient(new Uri($"http://127.0.0.1:{proxy.Port}"));
        var task = await SubmitAsync();
        using var attempt = await StartAsync(task);
        var told = new List<WatchEvent>();
        var (losses, seen) = (0, 0);
        var watching = WatchAsync();
        for (var cut = 0; cut < Cuts; cut++)
        {
            var before = cut * Records * LinesPerRecord;
            var printing = PrintAsync();
            await Eventually.TrueAsync("some lines have come", () => Volatile.Read(ref seen) > before, TimeSpan.FromSeconds(30));
            proxy.Cut();   // in the middle of the others
            await printing;
        }
        await attempt.FinishAsync();

        await watching;

        Assert.InRange(losses, Cuts, int.MaxValue);
        Assert.Equal(Enumerable.Range(1, Cuts * Records * LinesPerRecord), Seqs(told));
        Assert.True(Assert.IsType<EndEvent>(told[^1]).IsVerified);
        Assert.Single(told.OfType<HelloEvent>());
        Assert.Single(told.OfType<CaughtUpEvent>());
        Assert.Equal(["queued", "starting", "running"], told.OfType<StateEvent>().Select(state => state.Status.Word));

        async Task WatchAsync()
        {
            await foreach (var one in client.WatchAsync(task, new WatchOptions { OnConnectionLost = _ => losses++ }, TestEnds))
            {
                told.Add(one);
                Volatile.Write(ref seen, one is LinesEvent lines ? (int)lines.Lines[^1].Seq : seen);
            }
        }

        async Task PrintAsync()
        {
            for (var record = 0; record < Records; record++)
                await attempt.PrintAsync([.. Enumerable.Range(0, LinesPerRecord).Select(line => $"record {record} line {line}")]);
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task When_a_replica_shuts_down_the_watch_goes_on_at_another_one()
    {
        var first = await ReplicaAsync();
        var port = first.Address.Port;
        using var http = new HttpClient(new SocketsHttpHandler { ConnectCallback = async (_, cancellationToken) => await ConnectAsync(Volatile.Read(ref port), cancellationToken) });
        using var client = new TaskPipelineClient(first.Address, http);
        var task = await SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one");
        await using var events = client.WatchAsync(task, cancellationToken: TestEnds).GetAsyncEnumerator(TestEnds);
        while (await events.MoveNextAsync() && events.Current is not LinesEvent)
        {
        }
        Volatile.Write(ref port, Api.Address.Port);
        await first.StopAsync(TestEnds);
        await attempt.PrintAsync("two");
        await attempt.FinishAsync();

        var rest = new List<WatchEvent>();
        while (await events.MoveNextAsync())
            rest.Add(events.Current);

        Assert.Equal([2], Seqs(rest));
        Assert.True(Assert.IsType<EndEvent>(rest[^1]).IsVerified);
    }

    [Fact(Timeout = Timeout)]
    public async Task Many_tasks_are_watched_over_lost_connections_and_it_is_told_where_some_were_missed()
    {
        var elsewhere = await ReplicaAsync();
        await using var proxy = TcpProxy.Start(Api.Address.Port);
        using var client = new TaskPipelineClient(new Uri($"http://127.0.0.1:{proxy.Port}"));
        await using var events = client.WatchAllAsync(new ViewOptions { Project = "shop" }, TestEnds).GetAsyncEnumerator(TestEnds);
        Assert.Equal("shop", (await NextAsync<ViewHelloEvent>()).Project);
        var task = await SubmittedAsync(new NewTask { Type = "echo", Params = Text("hello"), Project = "shop" });
        Assert.Equal((task.TaskId, Status.Queued), await NextStateAsync());

        proxy.Cut();
        using var attempt = await StartAsync(task);
        await attempt.NoteAsync(AgentEventName.Progress, new { percent = 40 });
        await attempt.FinishAsync();
        Assert.Equal((task.TaskId, new Status("starting")), await NextStateAsync());
        Assert.Equal((task.TaskId, new Status("running")), await NextStateAsync());
        Assert.Equal(40, (await NextAsync<ProgressEvent>()).Percent);
        Assert.Equal(Status.Succeeded, (await NextAsync<EndEvent>()).Status);

        proxy.Target = elsewhere.Address.Port;
        proxy.Cut();
        Assert.Null((await NextAsync<MissedEvent>()).Count);
        var later = await SubmittedAsync(new NewTask { Type = "echo", Params = Text("hello"), Project = "shop" });
        Assert.Equal((later.TaskId, Status.Queued), await NextStateAsync());
        var refused = await Assert.ThrowsAsync<TaskPipelineException>(async () => await client.WatchAllAsync(new ViewOptions { Project = "no/project" }, TestEnds).FirstAsync(TestEnds));
        Assert.Equal(4505, refused.CloseCode);

        async Task<T> NextAsync<T>() where T : WatchEvent
        {
            Assert.True(await events.MoveNextAsync());
            return Assert.IsType<T>(events.Current);
        }

        async Task<(string, Status)> NextStateAsync()
        {
            var state = await NextAsync<StateEvent>();
            return (state.TaskId, state.Status);
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task Without_a_server_a_watch_ends_in_time_and_says_where_it_was()
    {
        var proxy = TcpProxy.Start(Api.Address.Port);
        using var client = new TaskPipelineClient(new Uri($"http://127.0.0.1:{proxy.Port}"));
        var task = await SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("one");
        await using var events = client.WatchAsync(task, new WatchOptions { MaxWait = TimeSpan.FromSeconds(1) }, TestEnds).GetAsyncEnumerator(TestEnds);
        while (await events.MoveNextAsync() && events.Current is not LinesEvent)
        {
        }
        var cursor = events.Current.Cursor;
        await proxy.DisposeAsync();

        var lost = await Assert.ThrowsAsync<ServerUnreachableException>(async () =>
        {
            while (await events.MoveNextAsync())
                cursor = events.Current.Cursor;
        });

        Assert.Contains("for 1 s", lost.Message, StringComparison.Ordinal);
        await attempt.PrintAsync("two");
        await attempt.FinishAsync();
        Assert.Equal([2], Seqs(await _client.WatchAsync(task.TaskId, new WatchOptions { From = lost.Cursor }, TestEnds).ToListAsync(TestEnds)));
        Assert.Equal(cursor, lost.Cursor);
        await Assert.ThrowsAsync<ServerUnreachableException>(() => client.GetAsync(task.TaskId, cancellationToken: TestEnds));
    }

    [Fact(Timeout = Timeout)]
    public async Task Lines_that_are_not_as_they_were_printed_are_noticed()
    {
        var task = await SubmitAsync();
        var claim = await Worker.ClaimAsync(LaneOf(task));
        using var attempt = await claim.StartAsync(Place(task));
        await attempt.PrintAsync("one");
        attempt.Lose(1);   // its worker has another line in its hash than the one that is in Kafka
        await claim.WriteAsync(new OutputLines { TaskId = task.TaskId, Attempt = 1, Epoch = claim.Epoch, Owner = claim.Owner, Lines = [new(2, OutputStream.Stdout, "two", DateTimeOffset.UtcNow)], At = DateTimeOffset.UtcNow });
        await attempt.PrintAsync("three");
        await attempt.FinishAsync();

        var mismatch = await Assert.ThrowsAsync<OutputMismatchException>(async () => await _client.WatchAsync(task, cancellationToken: TestEnds).ToListAsync(TestEnds));

        Assert.Contains("3 lines of attempt 1 are not as they were printed", mismatch.Message, StringComparison.Ordinal);
        Assert.Equal(attempt.Hash, mismatch.End!.Hash);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_is_stopped_paused_and_resumed_and_refusals_have_their_reason()
    {
        var task = await SubmitAsync();
        using var attempt = await StartAsync(task);
        await Api.UntilAsync(task.TaskId, "it runs", state => state.GetProperty("status").GetString() == "running");
        await _client.PauseAsync(task.TaskId, cancellationToken: TestEnds);
        await _client.ResumeAsync(task.TaskId, cancellationToken: TestEnds);
        await _client.StopAsync(task.TaskId, new StopRequest { Reason = "wrong workbook" }, "s-1", TestEnds);
        Assert.Equal("wrong workbook", (await _client.GetAsync(task.TaskId, cancellationToken: TestEnds)).Stop!.Reason);
        await attempt.StoppingAsync();
        await attempt.ExitAsync(143, EndReason.UserRequest);
        await attempt.EndAsync();

        var told = await _client.WatchAsync(task, cancellationToken: TestEnds).ToListAsync(TestEnds);

        Assert.Contains(told, one => one is StateEvent { Status.Word: "stopping", RequestedBy: "http", Reason: "wrong workbook" });
        Assert.Equal((Status.Stopped, "user_request"), (((EndEvent)told[^1]).Status, ((EndEvent)told[^1]).Reason));
        Assert.Contains("already ended", (await RefusedAsync(HttpStatusCode.Conflict, () => _client.StopAsync(task.TaskId, cancellationToken: TestEnds))).Message, StringComparison.Ordinal);
        await RefusedAsync(HttpStatusCode.Conflict, () => _client.InputAsync(task.TaskId, "yes", cancellationToken: TestEnds));
        await RefusedAsync(HttpStatusCode.NotFound, () => _client.GetAsync("nobody", cancellationToken: TestEnds));
        var invalid = await RefusedAsync(HttpStatusCode.BadRequest, () => _client.SubmitAsync("echo", parameters: new JsonObject { ["times"] = 10 }, cancellationToken: TestEnds));
        Assert.Equal(["params.text", "params.times"], invalid.Errors.Keys.Order());
        var unknown = await Assert.ThrowsAsync<TaskPipelineException>(async () => await _client.WatchAsync("nobody", cancellationToken: TestEnds).ToListAsync(TestEnds));
        Assert.Equal((4504, "There is no task 'nobody'"), (unknown.CloseCode, unknown.Message));
        var misread = await Assert.ThrowsAsync<TaskPipelineException>(async () => await _client.WatchAsync(task.TaskId, new WatchOptions { From = "yesterday" }, TestEnds).ToListAsync(TestEnds));
        Assert.Contains("from must be a cursor", misread.Message, StringComparison.Ordinal);
        using var elsewhere = new TaskPipelineClient(new Uri(Api.Address, "nowhere/"));
        await RefusedAsync(HttpStatusCode.NotFound, () => elsewhere.GetAsync(task.TaskId, cancellationToken: TestEnds));
        Assert.Equal(HttpStatusCode.NotFound, (await Assert.ThrowsAsync<TaskPipelineException>(async () => await elsewhere.WatchAsync("x", cancellationToken: TestEnds).ToListAsync(TestEnds))).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task Output_comes_line_by_line_and_news_when_there_are_some()
    {
        var task = await SubmitAsync();
        using var attempt = await StartAsync(task);
        await attempt.PrintAsync("a needle", "hay", "another Needle");
        await Api.UntilAsync(task.TaskId, "three lines are there", state => state.GetProperty("lines").GetInt32() == 3);
        var place = (await _client.GetAsync(task.TaskId, cancellationToken: TestEnds)).Cursor;
        var news = _client.GetAsync(task.TaskId, after: place, wait: TimeSpan.FromSeconds(30), cancellationToken: TestEnds);
        await attempt.PrintAsync(OutputStream.Stderr, "on stderr");
        Assert.Equal(4, (await news).Lines);

        Assert.Equal(["a needle", "hay", "another Needle", "on stderr"], await TextsAsync(new OutputOptions()));
        Assert.Equal(["a needle", "another Needle"], await TextsAsync(new OutputOptions { Search = "needle" }));
        Assert.Equal(["hay"], await TextsAsync(new OutputOptions { Seq = 2, Limit = 1 }));
        Assert.Equal(["on stderr"], await TextsAsync(new OutputOptions { Streams = [Client.OutputStream.Stderr] }));
        Assert.Equal(["on stderr"], await TextsAsync(new OutputOptions { After = place }));
        await RefusedAsync(HttpStatusCode.BadRequest, async () => await _client.OutputAsync(task.TaskId, new OutputOptions { Seq = 0 }, TestEnds).ToListAsync(TestEnds));

        async Task<List<string>> TextsAsync(OutputOptions options) => await _client.OutputAsync(task.TaskId, options, TestEnds).Select(line => line.Text).ToListAsync(TestEnds);
    }

    [Fact(Timeout = Timeout)]
    public async Task Lists_are_read_to_their_end_and_ended_tasks_begin_again()
    {
        const int More = 55;   // than a page has
        await Task.WhenAll(Enumerable.Range(0, More).Select(_ => _client.SubmitAsync("echo", parameters: Text("many"), cancellationToken: TestEnds)));
        var dead = await SubmitAsync();
        using var attempt = await StartAsync(dead);
        await attempt.DieAsync(new TaskSubmission { TaskId = dead.TaskId, Type = "echo", Params = new() { ["text"] = System.Text.Json.JsonElement.Parse("\"hi\"") } });
        await Eventually.TrueAsync("the dead letter is known", async () => await _client.DeadLettersAsync(cancellationToken: TestEnds).AnyAsync(TestEnds), TimeSpan.FromSeconds(30));
        await Api.UntilAsync(dead.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "failed");

        Assert.Equal(More + 1, await _client.ListAsync(cancellationToken: TestEnds).CountAsync(TestEnds));
        Assert.Equal([dead.TaskId], await _client.ListAsync(new TaskFilter { Status = Status.Failed }, TestEnds).Select(task => task.TaskId).ToListAsync(TestEnds));
        var replay = await _client.ReplayAsync(dead.TaskId, Text("again"), cancellationToken: TestEnds);
        Assert.Equal((dead.TaskId, "again"), ((await _client.GetAsync(replay.TaskId, cancellationToken: TestEnds)).ReplayOf, (string?)(await _client.GetAsync(replay.TaskId, cancellationToken: TestEnds)).Params["text"]));
        var letter = await _client.DeadLettersAsync(new DeadLetterFilter { Class = "permanent" }, TestEnds).SingleAsync(TestEnds);
        Assert.Equal((dead.TaskId, "no such table", 3), (letter.Id, letter.Error, letter.ExitCode));
        Assert.Equal("no such table", (await _client.GetDeadLetterAsync(letter.Id, TestEnds)).OutputTail);
        await _client.DiscardAsync(letter.Id, TestEnds);
        Assert.Empty(await _client.DeadLettersAsync(cancellationToken: TestEnds).ToListAsync(TestEnds));
        Assert.Equal("discarded", (await _client.DeadLettersAsync(new DeadLetterFilter { IncludeResolved = true }, TestEnds).SingleAsync(TestEnds)).Resolution);
        var redrive = await _client.RedriveAsync(letter.Id, cancellationToken: TestEnds);
        Assert.Equal(dead.TaskId, (await _client.GetAsync(redrive.TaskId, cancellationToken: TestEnds)).RedriveOf);
        Assert.Equal(["echo", "tools", "tools"], (await _client.TaskTypesAsync(TestEnds)).Select(type => type.Type).Order());
    }

    private static JsonObject Text(string text) => new() { ["text"] = text };

    private static IEnumerable<int> Seqs(IEnumerable<WatchEvent> told) => told.OfType<LinesEvent>().SelectMany(lines => lines.Lines).Select(line => (int)line.Seq);

    private static async Task<TaskPipelineException> RefusedAsync(HttpStatusCode status, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<TaskPipelineException>(call);
        Assert.Equal(status, refused.Status);
        return refused;
    }

    private static async Task<Stream> ConnectAsync(int port, CancellationToken cancellationToken)
    {
        var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>As the scripted worker wants to know it.</summary>
    private static Submitted Place(SubmittedTask task) =>
        new(System.Text.Json.JsonSerializer.SerializeToElement(new { task_id = task.TaskId, links = new { self = task.Links.Self } }));

    private static int LaneOf(SubmittedTask task) => Place(task).Lane;

    private Task<SubmittedTask> SubmittedAsync(NewTask task) => _client.SubmitAsync(task, cancellationToken: TestEnds);

    private Task<SubmittedTask> SubmitAsync() => SubmittedAsync(new NewTask { Type = "echo", Params = Text("hello") });

    private async Task<ScriptedAttempt> StartAsync(SubmittedTask task) => await (await Worker.ClaimAsync(LaneOf(task))).StartAsync(Place(task));
}

using System.Net;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class RunTests(SharedPipeline shared, TestBroker broker) : IClassFixture<SharedPipeline>
{
    private const int Timeout = 60_000;
    private readonly TestPipeline _pipeline = shared.Pipeline;

    [Fact(Timeout = Timeout)]
    public async Task A_bare_record_gets_its_task_run()
    {
        var id = await _pipeline.SubmitAsync("say", new { text = "hello, world" });
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, EndReason.ExitCode, 0, 1), (end.Status, end.Reason, end.ExitCode, end.Attempt));
        Assert.Equal("hello, world", Assert.Single(await _pipeline.LinesAsync(id)).Text);
        Assert.Equal("DONE", (await _pipeline.RecordAsync<TaskEnded>(id)).Update);
    }

    [Fact(Timeout = Timeout)]
    public async Task Lines_are_numbered_without_gaps_and_their_hash_is_that_of_the_outcome()
    {
        var id = await _pipeline.SubmitAsync("count", new { lines = 5000 });
        var end = await _pipeline.EndOfAsync(id);
        var lines = await _pipeline.LinesAsync(id);
        Assert.Equal(Enumerable.Range(1, 5000).Select(n => (long)n), lines.Select(line => line.Seq));
        Assert.Equal(Enumerable.Range(1, 5000).Select(n => $"line {n}"), lines.Select(line => line.Text));
        using var hash = new OutputHash();
        foreach (var line in lines)
            hash.Add(line);
        Assert.Equal((5000, hash.ToString()), (end.Attempts[0].Lines, end.Attempts[0].Hash));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_failing_agent_ends_as_failed_with_its_exit_code_and_the_tail_of_stderr()
    {
        var id = await _pipeline.SubmitAsync("script", new { script = "echo fine; echo 'cannot open the box' >&2; exit 3" });
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, EndReason.ExitCode, 3, "cannot open the box"), (end.Status, end.Reason, end.ExitCode, end.Error));
        Assert.Equal("FAILED", (await _pipeline.RecordAsync<TaskEnded>(id)).Update);
        Assert.Equal([OutputStream.Stdout, OutputStream.Stderr], (await _pipeline.LinesAsync(id)).Select(line => line.Stream).Order());
    }

    [Fact(Timeout = Timeout)]
    public async Task Its_programs_start_with_no_signal_ignored()
    {
        var id = await _pipeline.SubmitAsync("script", new { script = "grep SigIgn /proc/self/status" });
        Assert.Equal("SigIgn:\t0000000000000000", Assert.Single(await _pipeline.LinesAsync(id)).Text);
    }

    [Fact(Timeout = Timeout)]
    public async Task Last_words_that_are_JSON_but_cannot_be_written_do_not_keep_a_task_from_ending()
    {
        var id = await _pipeline.SubmitAsync("script", new { script = """printf '%s\n' '{"text":"\ud800"}'""" });
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(id)).Status);
        Assert.Equal("""{"text":"\ud800"}""", Assert.Single(await _pipeline.LinesAsync(id)).Text);
        Assert.Null((await _pipeline.RecordAsync<AttemptExited>(id)).Event);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_failed_attempt_is_followed_by_another_while_its_type_allows_it()
    {
        var mended = await _pipeline.SubmitAsync("retried", new { script = "echo attempt $TASK_ATTEMPT $TASK_IDEMPOTENCY_KEY; [ $TASK_ATTEMPT = 2 ]" }, lane: 0);
        var hopeless = await _pipeline.SubmitAsync("retried", new { script = "exit 1" }, lane: 0);
        var final = await _pipeline.SubmitAsync("retried", new { script = "exit 9" }, lane: 0);
        var waiting = await _pipeline.WaitingAsync(mended);
        Assert.Equal((Status.RetryWaiting, EndReason.ExitCode, FailureClass.Transient), (waiting.Status, waiting.Reason, waiting.Class));
        Assert.InRange(waiting.DueAt!.Value - waiting.At, TimeSpan.FromMilliseconds(80), TimeSpan.FromMilliseconds(120));
        foreach (var (id, attempt) in new[] { (mended, 2), (hopeless, 2), (hopeless, 2), (hopeless, 3), (hopeless, 2) })   // also twice, and late
            await _pipeline.PutBackAsync(id, attempt);
        var end = await _pipeline.EndOfAsync(mended);
        Assert.Equal((Status.Succeeded, 2), (end.Status, end.Attempt));
        Assert.Equal([1, 2], end.Attempts.Select(attempt => attempt.Attempt));
        Assert.Equal([$"attempt 1 default/{mended}", $"attempt 2 default/{mended}"],
            [(await _pipeline.LinesAsync(mended, 1))[0].Text, (await _pipeline.LinesAsync(mended, 2))[0].Text]);
        Assert.Equal((Status.Failed, 3, true), await _pipeline.EndOfAsync(hopeless) is var lost ? (lost.Status, lost.Attempt, lost.DeadLettered) : default);
        Assert.Equal((Status.Failed, 1, FailureClass.Permanent), await _pipeline.EndOfAsync(final) is var refused ? (refused.Status, refused.Attempt, refused.Class) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_attempt_that_exceeds_a_limit_is_ended_with_that_reason()
    {
        var late = await _pipeline.SubmitAsync("short-lived");
        var loud = await _pipeline.SubmitAsync("chatty");
        Assert.Equal((Status.TimedOut, EndReason.TimeLimit), await _pipeline.EndOfAsync(late) is var end ? (end.Status, end.Reason) : default);
        Assert.Equal((Status.Failed, EndReason.OutputLimit), await _pipeline.EndOfAsync(loud) is var cut ? (cut.Status, cut.Reason) : default);
        Assert.Equal(100, (await _pipeline.LinesAsync(loud)).Count);
    }

    [Theory(Timeout = Timeout)]
    [InlineData("missing", "{}", "there-is-no-such-program")]
    [InlineData("no-such-type", "{}", "no-such-type")]
    [InlineData("say", "{}", "params.text is required")]
    [InlineData("say", """{"text":"x","loud":true}""", "params.loud")]
    [InlineData("say", """{"text":"--version"}""", "dash")]
    [InlineData("open", """{"file":"../secret"}""", "..")]
    [InlineData("open", """{"file":"link/secret"}""", "leads out")]
    [InlineData("open", """{"file":"nothing-there"}""", "nothing-there")]
    public async Task What_cannot_be_run_ends_as_failed_and_says_why(string type, string parameters, string reason)
    {
        if (!Directory.Exists(Path.Combine(_pipeline.Config.Data, "link")))
            Directory.CreateSymbolicLink(Path.Combine(_pipeline.Config.Data, "link"), _pipeline.Folder);
        await File.WriteAllTextAsync(Path.Combine(_pipeline.Folder, "secret"), "never to be read", TestContext.Current.CancellationToken);
        var id = TaskIds.New();
        await _pipeline.SubmitRawAsync($$"""{"task_id":"{{id}}","project":"default","type":"{{type}}","params":{{parameters}}}""", id);
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, EndReason.SpawnFailed), (end.Status, end.Reason));
        Assert.Contains(reason, end.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_that_its_type_has_outgrown_is_kept_in_the_dead_letters()
    {
        const string Before = "types: { flaky: { executable: 'false', params: { text: { positional: true } }, retry: { attempts: 3, backoff: { first: 100ms } } } }";
        const string After = "types: { flaky: { executable: 'false', params: { name: { positional: true, required: true } }, retry: { attempts: 3, backoff: { first: 100ms } } } }";
        await using var pipeline = await TestPipeline.StartAsync(broker, catalogue: Before);
        var retried = await pipeline.SubmitAsync("flaky", new { text = "x" }, lane: 0);
        var ranBy = (await pipeline.WaitingAsync(retried)).Attempts[0].TypeHash;
        Assert.NotNull(ranBy);
        await File.WriteAllTextAsync(pipeline.CatalogueFile, After, TestContext.Current.CancellationToken);
        await Eventually.TrueAsync("the new catalogue is read", () => Task.FromResult(pipeline.Workers[0].Lines.Count(line => line.Contains(" task types from ", StringComparison.Ordinal)) == 2), TestPipeline.MaxWait);
        await pipeline.PutBackAsync(retried, 2);
        var accepted = TaskIds.New();
        await pipeline.SubmitRawAsync($$"""{"task_id":"{{accepted}}","type":"flaky","params":{"text":"x"},"type_hash":"{{ranBy}}"}""", accepted);
        var gone = TaskIds.New();
        await pipeline.SubmitRawAsync($$"""{"task_id":"{{gone}}","type":"flakier","type_hash":"{{ranBy}}"}""", gone);
        var never = await pipeline.SubmitAsync("flaky", new { text = "x" });

        foreach (var (id, attempts, why) in new[] { (retried, 1, "params.name is required"), (accepted, 0, "params.name is required"), (gone, 0, "flakier") })
        {
            var end = await pipeline.EndOfAsync(id);
            Assert.Equal((Status.Failed, EndReason.TypeChanged, true, attempts), (end.Status, end.Reason, end.DeadLettered, end.Attempts.Count));
            Assert.Contains(why, end.Error, StringComparison.Ordinal);
        }
        Assert.Equal((EndReason.SpawnFailed, false), await pipeline.EndOfAsync(never) is var unfit ? (unfit.Reason, unfit.DeadLettered) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_unknown_project_fails_the_task()
    {
        var end = await _pipeline.EndOfAsync(await _pipeline.SubmitAsync("say", new { text = "x" }, project: "elsewhere"));
        Assert.Equal((Status.Failed, EndReason.SpawnFailed), (end.Status, end.Reason));
        Assert.Contains("elsewhere", end.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_record_that_nobody_can_read_does_not_hold_up_its_lane()
    {
        await _pipeline.SubmitRawAsync("not json at all", lane: 0);
        await _pipeline.SubmitRawAsync("""{"task_id":"../etc","project":"default","type":"say"}""", lane: 0);
        var id = await _pipeline.SubmitAsync("say", new { text = "still here" }, lane: 0);
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(id)).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_config_API_that_is_away_delays_a_task_and_costs_it_no_attempt()
    {
        _pipeline.Config.Projects["shaky"] = ("shaky.db", []);
        _pipeline.Config.Failing["shaky"] = HttpStatusCode.InternalServerError;
        var id = await _pipeline.SubmitAsync("say", new { text = "at last" }, project: "shaky");
        await _pipeline.Workers[0].WaitForLineAsync("does not answer for project shaky");
        Assert.Empty(_pipeline.Progress(id));
        _pipeline.Config.Failing.Clear();
        Assert.Equal((Status.Succeeded, 1), await _pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_agent_gets_its_own_environment_and_its_secrets_are_masked()
    {
        _pipeline.Config.Projects["north"] = ("Host=db.example;Username=app;Password=hunter22", new() { ["REGION"] = "north" });
        var id = await _pipeline.SubmitAsync("environment", project: "north");
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(id)).Status);
        var lines = (await _pipeline.LinesAsync(id)).Select(line => line.Text).ToList();
        Assert.Contains($"TASK_ID={id}", lines);
        Assert.Contains("TASK_ATTEMPT=1", lines);
        Assert.Contains("TASK_PROJECT=north", lines);
        Assert.Contains("REGION=north", lines);
        Assert.Contains("TEST_TOKEN=***", lines);
        Assert.Contains("DB_CONN=Host=db.example;Username=app;Password=***", lines);
        Assert.DoesNotContain(lines, line => line.StartsWith("TEST_OTHER", StringComparison.Ordinal) || line.StartsWith("Kafka__", StringComparison.Ordinal));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_project_cannot_set_what_changes_how_programs_load()
    {
        _pipeline.Config.Projects["sly"] = ("sly.db", new() { ["LD_PRELOAD"] = "/tmp/evil.so" });
        var end = await _pipeline.EndOfAsync(await _pipeline.SubmitAsync("environment", project: "sly"));
        Assert.Equal(Status.Failed, end.Status);
        Assert.Contains("LD_PRELOAD", end.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_prints_DONE_has_not_ended()
    {
        var gate = Path.Combine(_pipeline.Folder, "gate");
        var id = await _pipeline.SubmitAsync("script", new { script = $"echo DONE; while [ ! -e {gate} ]; do sleep 0.05; done; echo after" });
        await _pipeline.LineAsync(id, "DONE");
        Assert.Empty(_pipeline.States(id));
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(id)).Status);
        Assert.Equal(["DONE", "after"], (await _pipeline.LinesAsync(id)).Select(line => line.Text));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_line_without_an_end_is_seen_while_the_agent_waits()
    {
        var id = await _pipeline.SubmitAsync("script", new { script = "printf 'Continue? '; sleep 1000" });
        await _pipeline.LineAsync(id, "Continue? ");
        await _pipeline.StopAsync(id);
        Assert.Equal(Status.Stopped, (await _pipeline.EndOfAsync(id)).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_process_that_an_agent_leaves_behind_is_ended()
    {
        var pidFile = Path.Combine(_pipeline.Folder, "pid");
        var id = await _pipeline.SubmitAsync("script", new { script = $"setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > {pidFile}; echo ok" });
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(id)).Status);
        Assert.Equal(1, (await _pipeline.RecordAsync<AttemptExited>(id)).ProcessesEnded);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_longer_than_the_poll_interval_runs_once()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, settings: [new("Kafka:MaxPollInterval", broker.SessionTimeout.ToString())]);
        var id = await pipeline.SubmitAsync("script", new { script = $"sleep {broker.SessionTimeout.TotalSeconds * 2}; echo done" });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempt));
    }
}

/// <summary>One pipeline with one worker for the tests of a class that do not disturb each other.</summary>
public sealed class SharedPipeline(TestBroker broker) : IAsyncLifetime
{
    internal TestPipeline Pipeline { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Pipeline = await TestPipeline.StartAsync(broker, settings: [new("TEST_TOKEN", "tok-1234567"), new("TEST_OTHER", "of the worker")]);

    public ValueTask DisposeAsync() => Pipeline.DisposeAsync();
}

using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What follows from an agent's result, and what a failed one leaves as its error.</summary>
public sealed class ResultTests(ResultPipeline shared) : IClassFixture<ResultPipeline>
{
    private const int Timeout = 90_000;
    private readonly TestPipeline _pipeline = shared.Pipeline;

    [Theory(Timeout = Timeout)]
    [InlineData("after", """echo '::task:result {"rows":5}'; sleep 1000""", Status.Succeeded, EndReason.Result, null)]
    [InlineData("after", """echo '::task:result {"is_error":true,"text":"no quota"}'; sleep 1000""", Status.Failed, EndReason.ResultError, "no quota")]
    [InlineData("after", """echo '::task:result 1'; exit 3""", Status.Failed, EndReason.ExitCode, "::task:result 1")]
    [InlineData("after", """echo '::task:result 1'""", Status.Succeeded, EndReason.ExitCode, null)]
    [InlineData("timed", """echo '::task:result 1'; sleep 1000""", Status.Succeeded, EndReason.Result, null)]
    [InlineData("timed", """echo nothing; sleep 1000""", Status.TimedOut, EndReason.TimeLimit, "it ran longer than its limit of 00:00:01")]
    [InlineData("timed", """trap "echo '::task:result 1'; exit 0" TERM; echo begin; while :; do sleep 0.1; done""", Status.TimedOut, EndReason.TimeLimit, "it ran longer than its limit of 00:00:01")]
    [InlineData("quiet", """echo '::task:result {"is_error":true}'; echo why >&2; sleep 1000""", Status.Failed, EndReason.ResultError, "why")]
    [InlineData("quiet", """echo '::task:result 2'; sleep 1000""", Status.Succeeded, EndReason.Result, null)]
    public async Task A_limit_that_ends_an_agent_behind_its_result_does_not_repeat_the_work(string type, string script, Status status, EndReason reason, string? error)
    {
        var id = await _pipeline.SubmitAsync(type, new { script });
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((status, reason, error), (end.Status, end.Reason, end.Error));
        Assert.Equal(1, end.Attempt);
        if (reason is not (EndReason.Result or EndReason.ResultError))
            return;
        var exited = await _pipeline.RecordAsync<AttemptExited>(id);
        Assert.Equal(("TERM", end.ResultAt), (exited.EndedBy, exited.ResultAt));
        Assert.InRange(end.ResultAt!.Value, end.Attempts[0].StartedAt, exited.At);
        Assert.Contains("had reported its result", (await _pipeline.RecordAsync<AgentEvent>(id, reported => reported.Name == AgentEventName.Warning)).Data.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task Each_further_result_gives_the_agent_its_time_anew()
    {
        var id = await _pipeline.SubmitAsync("after", new { script = "for i in 1 2 3 4 5; do echo \"::task:result $i\"; sleep 0.3; done; echo end" });
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, EndReason.ExitCode, "5"), (end.Status, end.Reason, end.Result?.GetRawText()));
        Assert.Equal("end", (await _pipeline.LinesAsync(id))[^1].Text);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_result_that_says_it_is_an_error_is_a_failure_that_is_retried_as_any_other()
    {
        var id = await _pipeline.SubmitAsync("again", new { script = """echo '::task:result {"is_error":true,"text":"busy"}'; sleep 1000""" });
        var waiting = await _pipeline.WaitingAsync(id);
        Assert.Equal((Status.RetryWaiting, EndReason.ResultError, "busy", FailureClass.Transient), (waiting.Status, waiting.Reason, waiting.Error, waiting.Class));
        await _pipeline.PutBackAsync(id, attempt: 2);
        Assert.Equal((Status.Failed, 2, true), await _pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt, end.DeadLettered) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_result_that_is_too_large_is_said_to_be_left_out()
    {
        var id = await _pipeline.SubmitAsync("script", new { script = """echo '::task:result 1'; printf '::task:result "'; head -c 70000 /dev/zero | tr '\0' x; echo '"'""" });
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, null, true), (end.Status, end.Result?.GetRawText(), end.ResultLeftOut));
        Assert.Contains("70002 bytes", (await _pipeline.RecordAsync<AgentEvent>(id, reported => reported.IsResultLeftOut)).Data.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory(Timeout = Timeout)]
    [InlineData("echo out; echo err >&2; exit 1", "err")]
    [InlineData("echo first; echo; echo 'what went wrong'; echo; exit 1", "first\nwhat went wrong")]
    [InlineData("echo out; echo >&2; exit 1", "out")]
    [InlineData("printf '10%%\\r20%%\\r30%%' >&2; exit 1", "30%")]
    [InlineData("printf '10%%' >&2; sleep 0.6; printf '\\r20%%' >&2; sleep 0.6; printf ' failed\\n' >&2; exit 1", "20% failed")]
    [InlineData("exit 1", null)]
    public async Task The_error_of_a_failed_agent_is_what_it_printed_last(string script, string? error)
    {
        var end = await _pipeline.EndOfAsync(await _pipeline.SubmitAsync("script", new { script }));
        Assert.Equal((Status.Failed, error), (end.Status, end.Error));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_rule_sees_a_long_line_and_one_that_was_printed_in_pieces()
    {
        foreach (var script in new[]
        {
            """printf '{"is_error":true,"log":"'; head -c 60000 /dev/zero | tr '\0' x; echo '"}'; exit 1""",
            """printf '{"is_error":true,"log":"'; head -c 300000 /dev/zero | tr '\0' x; echo '"}'; exit 1""",
            """printf '{"is_error":'; sleep 0.6; echo 'true}'; exit 1""",
        })
        {
            var end = await _pipeline.EndOfAsync(await _pipeline.SubmitAsync("ruled", new { script }));
            Assert.Equal((Status.Failed, FailureClass.Permanent, true), (end.Status, end.Class, end.DeadLettered));
        }
    }
}

public sealed class ResultPipeline(TestBroker broker) : IAsyncLifetime
{
    private const string Catalogue = """
        types:
          script: { executable: sh, params: { script: { stdin: true, required: true } } }
          after:  { executable: sh, params: { script: { stdin: true, required: true } }, after_result: 1s, grace: 2s }
          again:  { executable: sh, params: { script: { stdin: true, required: true } }, after_result: 300ms, grace: 2s, retry: { attempts: 2 } }
          timed:  { executable: sh, params: { script: { stdin: true, required: true } }, time_limit: 1s, grace: 2s }
          quiet:  { executable: sh, params: { script: { stdin: true, required: true } }, silence_limit: 1s, grace: 2s }
          ruled:  { executable: sh, params: { script: { stdin: true, required: true } }, retry: { attempts: 3, rules: [{ event: { is_error: true }, then: dead_letter, class: permanent }] } }
        """;

    internal TestPipeline Pipeline { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Pipeline = await TestPipeline.StartAsync(broker, catalogue: Catalogue);

    public ValueTask DisposeAsync() => Pipeline.DisposeAsync();
}

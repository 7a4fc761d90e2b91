using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using Xunit;

namespace TaskPipeline.Tests.Catalogue;

public sealed class RetryPolicyTests
{
    private static readonly RetryPolicy Policy = new()
    {
        Attempts = 5,
        FinalExitCodes = [2],
        Rules =
        [
            new(AfterFailure.Retry) { ExitCodes = [2], Event = Said("""{"class":"transient"}""") },
            new(AfterFailure.Retry) { ExitCodes = [75] },
            new(AfterFailure.DeadLetter) { Event = Said("""{"type":"error","code":"7"}"""), Class = FailureClass.Permanent },
            new(AfterFailure.End) { Signals = ["SIGSEGV", "SIGABRT"], Class = FailureClass.Permanent },
            new(AfterFailure.End) { Reasons = [EndReason.OutputLimit, EndReason.Deadline] },
        ],
    };

    [Theory]
    [InlineData(EndReason.ExitCode, 1, null, null, AfterFailure.Retry, FailureClass.Transient)]
    [InlineData(EndReason.ExitCode, 2, null, null, AfterFailure.End, FailureClass.Permanent)]
    [InlineData(EndReason.ExitCode, 75, null, null, AfterFailure.Retry, FailureClass.Transient)]
    [InlineData(EndReason.ExitCode, 139, "SIGSEGV", null, AfterFailure.End, FailureClass.Permanent)]
    [InlineData(EndReason.ExitCode, 137, "SIGKILL", null, AfterFailure.Retry, FailureClass.Terminated)]
    [InlineData(EndReason.ExitCode, 1, null, """{"type":"error","code":7}""", AfterFailure.DeadLetter, FailureClass.Permanent)]
    [InlineData(EndReason.ExitCode, 1, null, """{"type":"error"}""", AfterFailure.Retry, FailureClass.Transient)]
    [InlineData(EndReason.ExitCode, 1, null, """{"type":"progress","code":7}""", AfterFailure.Retry, FailureClass.Transient)]
    [InlineData(EndReason.TimeLimit, 75, null, null, AfterFailure.Retry, FailureClass.Terminated)]
    [InlineData(EndReason.MemoryLimit, 137, "SIGKILL", null, AfterFailure.Retry, FailureClass.Terminated)]
    [InlineData(EndReason.OutputLimit, 143, "SIGTERM", null, AfterFailure.End, FailureClass.Permanent)]
    [InlineData(EndReason.SpawnFailed, null, null, null, AfterFailure.Retry, FailureClass.Permanent)]
    [InlineData(EndReason.ResultError, 143, "SIGTERM", null, AfterFailure.Retry, FailureClass.Transient)]
    public void The_first_rule_that_fits_decides_and_else_the_exit_code(EndReason reason, int? exitCode, string? signal, string? said, AfterFailure then, FailureClass whose) =>
        Assert.Equal((then, whose), Policy.Judge(Outcome(reason, exitCode, signal, said)));

    [Theory]
    [InlineData("true", "true", true)]
    [InlineData("true", "\"true\"", true)]
    [InlineData("false", "false", true)]
    [InlineData("true", "false", false)]
    [InlineData("True", "true", true)]   // what YAML takes for true
    [InlineData("true", "1", false)]
    [InlineData("true", "null", false)]
    [InlineData("7", "7", true)]
    [InlineData("7", "\"7\"", true)]
    [InlineData("7", "7.0", true)]
    [InlineData("0.5", "5e-1", true)]
    [InlineData("7", "70", false)]
    [InlineData("9007199254740993", "9007199254740992", false)]
    [InlineData("seven", "7", false)]
    [InlineData("error", "\"error\"", true)]
    [InlineData("error", "\"Error\"", false)]
    [InlineData("7", "\"7.0\"", false)]
    [InlineData(null, "null", true)]
    [InlineData("", "null", true)]
    [InlineData("{\"a\":1}", "{\"a\":1}", true)]
    public void A_rule_compares_by_the_kind_of_what_the_agent_said(string? rule, string said, bool fits)
    {
        var policy = new RetryPolicy { Rules = [new(AfterFailure.DeadLetter) { Event = new Dictionary<string, string?> { ["member"] = rule } }] };
        Assert.Equal(fits ? AfterFailure.DeadLetter : AfterFailure.Retry, policy.Judge(Outcome(EndReason.ExitCode, 1, null, $$"""{"member":{{said}}}""")).Then);
    }

    [Theory]
    [InlineData("is_error: true", """{"is_error":true}""")]
    [InlineData("is_error: 'true'", """{"is_error":true}""")]
    [InlineData("code: 7", """{"code":7}""")]
    [InlineData("share: 0.50", """{"share":0.5}""")]
    [InlineData("next: null", """{"next":null}""")]
    [InlineData("next: ~", """{"next":null}""")]
    [InlineData("\"type\": \"error\"", """{"type":"error"}""")]
    public void A_rule_of_the_file_may_have_any_json_value(string rule, string said)
    {
        var retry = TaskCatalogue.Parse($"types: {{ a: {{ executable: x, retry: {{ rules: [{{ event: {{ {rule} }}, then: dead_letter }}] }} }} }}", "/").Find("a", null)!.Retry;
        Assert.Equal(AfterFailure.DeadLetter, retry.Judge(Outcome(EndReason.ExitCode, 1, null, said)).Then);
        Assert.Equal(AfterFailure.Retry, retry.Judge(Outcome(EndReason.ExitCode, 1, null, """{"other":1}""")).Then);
    }

    [Fact]
    public void A_rule_comes_before_the_final_exit_codes_and_leaves_the_class_to_them() =>
        Assert.Equal((AfterFailure.Retry, FailureClass.Permanent), Policy.Judge(Outcome(EndReason.ExitCode, 2, null, """{"class":"transient"}""")));

    [Theory]
    [InlineData(139, "SIGSEGV", true)]
    [InlineData(137, "SIGKILL", false)]
    [InlineData(75, null, true)]
    [InlineData(2, null, true)]
    public void What_rules_and_final_exit_codes_name_the_type_decides_itself(int exitCode, string? signal, bool names) =>
        Assert.Equal(names, Policy.Names(exitCode, signal));

    [Theory]
    [InlineData(1, 10)]
    [InlineData(2, 30)]
    [InlineData(3, 90)]
    [InlineData(4, 100)]
    [InlineData(100, 100)]
    public void Waits_grow_up_to_the_longest(int failures, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), new Backoff(TimeSpan.FromSeconds(10), 3, TimeSpan.FromSeconds(100), 0.2).Wait(failures, 0.5));

    [Theory]
    [InlineData(0, 8)]
    [InlineData(0.25, 9)]
    [InlineData(1, 12)]
    public void Chance_moves_a_wait_by_its_share(double chance, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), new Backoff(TimeSpan.FromSeconds(10), 3, TimeSpan.FromSeconds(100), 0.2).Wait(1, chance));

    private static Dictionary<string, string?> Said(string json) => JsonSerializer.Deserialize<Dictionary<string, string?>>(json)!;

    private static AttemptExited Outcome(EndReason reason, int? exitCode, string? signal, string? said) => new()
    {
        TaskId = "t",
        Attempt = 1,
        Epoch = 1,
        Owner = "o",
        Reason = reason,
        ExitCode = exitCode,
        Signal = signal,
        Event = said is null ? null : JsonElement.Parse(said),
        Lines = 0,
        Hash = "",
    };
}

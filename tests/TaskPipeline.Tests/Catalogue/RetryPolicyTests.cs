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
            new(AfterFailure.Retry) { ExitCodes = [2], Event = Said("""{"class":"world"}""") },
            new(AfterFailure.Retry) { ExitCodes = [75] },
            new(AfterFailure.DeadLetter) { Event = Said("""{"type":"error","code":"7"}"""), Class = FailureClass.Ours },
            new(AfterFailure.End) { Signals = ["SIGSEGV", "SIGABRT"], Class = FailureClass.Ours },
            new(AfterFailure.End) { Reasons = [EndReason.OutputLimit, EndReason.Deadline] },
        ],
    };

    [Theory]
    [InlineData(EndReason.ExitCode, 1, null, null, AfterFailure.Retry, FailureClass.World)]
    [InlineData(EndReason.ExitCode, 2, null, null, AfterFailure.End, FailureClass.Ours)]
    [InlineData(EndReason.ExitCode, 75, null, null, AfterFailure.Retry, FailureClass.World)]
    [InlineData(EndReason.ExitCode, 139, "SIGSEGV", null, AfterFailure.End, FailureClass.Ours)]
    [InlineData(EndReason.ExitCode, 137, "SIGKILL", null, AfterFailure.Retry, FailureClass.Killed)]
    [InlineData(EndReason.ExitCode, 1, null, """{"type":"error","code":7}""", AfterFailure.DeadLetter, FailureClass.Ours)]
    [InlineData(EndReason.ExitCode, 1, null, """{"type":"error"}""", AfterFailure.Retry, FailureClass.World)]
    [InlineData(EndReason.ExitCode, 1, null, """{"type":"progress","code":7}""", AfterFailure.Retry, FailureClass.World)]
    [InlineData(EndReason.TimeLimit, 75, null, null, AfterFailure.Retry, FailureClass.Killed)]
    [InlineData(EndReason.MemoryLimit, 137, "SIGKILL", null, AfterFailure.Retry, FailureClass.Killed)]
    [InlineData(EndReason.OutputLimit, 143, "SIGTERM", null, AfterFailure.End, FailureClass.Ours)]
    [InlineData(EndReason.SpawnFailed, null, null, null, AfterFailure.Retry, FailureClass.Ours)]
    public void The_first_rule_that_fits_decides_and_else_the_exit_code(EndReason reason, int? exitCode, string? signal, string? said, AfterFailure then, FailureClass whose) =>
        Assert.Equal((then, whose), Policy.Judge(Outcome(reason, exitCode, signal, said)));

    [Fact]
    public void A_rule_comes_before_the_final_exit_codes_and_leaves_the_class_to_them() =>
        Assert.Equal((AfterFailure.Retry, FailureClass.Ours), Policy.Judge(Outcome(EndReason.ExitCode, 2, null, """{"class":"world"}""")));

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

    private static Dictionary<string, string> Said(string json) => JsonSerializer.Deserialize<Dictionary<string, string>>(json)!;

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

using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed partial class DemoTests
{
    [Theory(Timeout = 30_000)]
    [InlineData("none")]
    [InlineData("flaky:0")]
    public async Task A_demo_that_does_not_fail_does_all_its_steps(string fail)
    {
        await using var workplace = new Workplace();

        var result = (await workplace.RunAsync("demo", "--steps", "3", "--fail", fail)).ShouldSucceed();

        Assert.Equal(["Step 1/3", "Step 2/3", "Step 3/3", "Every step is done"], result.Output);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("transform", 1, "permanent", "'n/a' is not a weight")]
    [InlineData("tool_call", 75, "transient", "does not answer")]
    [InlineData("flaky:1", 75, "transient", "did not answer this time")]
    public async Task A_failure_is_told_to_people_and_to_rules(string fail, int exitCode, string whose, string reason)
    {
        await using var workplace = new Workplace();

        var result = (await workplace.RunAsync("demo", "--steps", "4", "--fail", fail)).ShouldFail(exitCode, reason);

        Assert.Equal(["Step 1/4", "Step 2/4"], result.Output.Take(2));
        using var said = JsonDocument.Parse(result.Output[^1]);
        Assert.Equal(("error", whose), (said.RootElement.GetProperty("type").GetString(), said.RootElement.GetProperty("class").GetString()));
    }

    [Fact(Timeout = 30_000)]
    public async Task A_demo_that_hangs_is_silent_until_it_is_ended()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals");
        await using var workplace = new Workplace();
        var demo = workplace.Start("demo", "--steps", "1", "--fail", "hang");
        await demo.LineAsync("Step 1/1");
        await Task.Delay(TimeSpan.FromMilliseconds(600), TestContext.Current.CancellationToken);   // a step is 200 ms
        Assert.True(AgentProcess.IsAlive(demo.Id));

        demo.Signal(15);

        var result = await demo.ResultAsync();
        Assert.Equal(143, result.ExitCode);
        Assert.Equal(["Step 1/1"], result.Output);
    }

    [Fact(Timeout = 30_000)]
    public async Task The_worker_of_its_run_is_killed_and_no_other_process_that_has_its_pid()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc");
        await using var workplace = new Workplace();
        using var worker = Process.Start("sleep", "300");
        var stat = await File.ReadAllTextAsync($"/proc/{worker.Id}/stat", TestContext.Current.CancellationToken);
        var start = stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];

        workplace.Environment["TASKPIPELINE_RUN"] = $"{worker.Id}.{start}0/t/1";
        (await workplace.RunAsync("demo", "--fail", "crash_worker")).ShouldFail(2, "names a worker that no longer runs");
        Assert.False(worker.HasExited);

        workplace.Environment["TASKPIPELINE_RUN"] = $"{worker.Id}.{start}/t/1";
        var demo = workplace.Start("demo", "--fail", "crash_worker");
        await worker.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(128 + 9, worker.ExitCode);
        Assert.True(AgentProcess.IsAlive(demo.Id));
    }

    [Fact(Timeout = 30_000)]
    public async Task Outside_of_a_run_there_is_no_worker_to_kill()
    {
        await using var workplace = new Workplace();
        workplace.Environment["TASKPIPELINE_RUN"] = null;

        (await workplace.RunAsync("demo", "--fail", "crash_worker")).ShouldFail(2, "TASKPIPELINE_RUN is not set");
    }

    [Fact(Timeout = 60_000)]
    public async Task The_catalogue_offers_what_the_demo_knows()
    {
        await using var workplace = new Workplace();
        var catalogue = await File.ReadAllTextAsync(RepositoryFile("task-types.yaml"), TestContext.Current.CancellationToken);
        var choices = FailChoices().Match(catalogue).Groups[1].Value.Split(',', StringSplitOptions.TrimEntries).Select(choice => choice.Trim('"')).ToList();

        Assert.Equal(["none", "transform", "tool_call", "crash_worker", "hang", "flaky:0.3"], choices);
        foreach (var choice in choices)
            (await workplace.RunAsync("demo", "--fail", choice, "--help")).ShouldSucceed();
    }

    private static string RepositoryFile(string name)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "TaskPipeline.sln")))
            folder = folder.Parent!;
        return Path.Combine(folder.FullName, name);
    }

    [GeneratedRegex(@"fail: \{ option: --fail, choices: \[([^\]]+)\]")]
    private static partial Regex FailChoices();
}

using TaskPipeline.Testing;
using Xunit;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.AgentCli.Tests;

public sealed class AgentRunTests
{
    private static readonly string[] Arguments = ["agent", "run", "--input", "Which units are used in Electrics?", "--parallel-workers", "3"];

    [Fact(Timeout = 60_000)]
    public async Task The_report_holds_what_was_imported()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 500);

        var result = (await workplace.RunAsync(Arguments)).ShouldSucceed();

        Assert.Contains("Starting 3 workers", result.Output);
        Assert.Contains("Processing row 500/500", result.Output);
        Assert.EndsWith("/report.md", result.Output[^1], StringComparison.Ordinal);
        var report = workplace.Read("report.md");
        Assert.Contains("- **Unit** (MB Attributes, sample.xlsx): text; 40 % empty; 3 distinct values", report, StringComparison.Ordinal);
        Assert.Contains("holds Electrics (125)", report, StringComparison.Ordinal);
        Assert.Contains("| Required | 500 | 0 % | yes/no | 2 | no (334), yes (166) |", report, StringComparison.Ordinal);
        Assert.Contains("| Weight | 498 | 0.5 | 9999.5 | 30.5251 |", report, StringComparison.Ordinal);
        Assert.Contains("| Valid From | 500 | 2023-01-03 | 2024-05-16 |", report, StringComparison.Ordinal);
        Assert.Contains("2 error cells, e.g. #VALUE! (row 212), #VALUE! (row 424)", report, StringComparison.Ordinal);
        Assert.Contains("far from the mean: 9999.5 (row 309)", report, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_number_of_workers_does_not_change_the_findings()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 333);
        var findings = new List<string>();

        foreach (var workers in (string[])["1", "2", "7"])
        {
            (await workplace.RunAsync("agent", "run", "--input", "weight", "--parallel-workers", workers)).ShouldSucceed();
            findings.Add(workplace.Read("report.md").Split("## What the question touches")[1]);
        }

        Assert.Single(findings.Distinct());
    }

    [Fact(Timeout = 60_000)]
    public async Task More_workers_than_rows_is_no_trouble()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 2);

        (await workplace.RunAsync("agent", "run", "--input", "weight", "--parallel-workers", "8")).ShouldSucceed();

        Assert.Contains("2 rows, 10 columns", workplace.Read("report.md"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_report_lies_in_the_folder_of_the_tasks_artifacts()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 20);
        workplace.Environment["TASK_ARTIFACTS"] = workplace.PathOf("artifacts/1");

        (await workplace.RunAsync([.. Arguments, "--report", "units.md"])).ShouldSucceed();

        Assert.Equal(["units.md"], Directory.EnumerateFiles(workplace.PathOf("artifacts/1")).Select(Path.GetFileName));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_long_question_comes_through_stdin_with_whatever_characters()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 20);
        var question = string.Concat(Enumerable.Repeat("Straße | <b> 雪 \"quoted\" `code`\n", 20_000)) + "and the weight?";

        (await workplace.Start("agent", "run", "--input", "-").ResultAsync(question)).ShouldSucceed();

        var report = workplace.Read("report.md");
        Assert.Contains("> Straße | <b> 雪 \"quoted\" `code`\n", report, StringComparison.Ordinal);
        Assert.Contains("- **Weight** (MB Attributes", report, StringComparison.Ordinal);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("@weight of all")]
    [InlineData("-5 as a weight?")]
    [InlineData("weight; rm -rf 'x' $(y) \"z\"")]
    public async Task A_question_is_taken_as_it_is(string question)
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 20);

        (await workplace.RunAsync("agent", "run", "--input", question)).ShouldSucceed();

        Assert.Contains($"> {question}\n", workplace.Read("report.md"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task An_empty_question_is_a_usage_error()
    {
        await using var workplace = new Workplace();

        (await workplace.Start("agent", "run", "--input", "-").ResultAsync("  \n")).ShouldFail(2, "the question is empty");
    }

    [Fact(Timeout = 60_000)]
    public async Task Without_an_import_the_next_step_is_told()
    {
        await using var workplace = new Workplace();

        (await workplace.RunAsync(Arguments)).ShouldFail(1, "run agent-cli task-context import-excel first");
    }

    [Fact(Timeout = 60_000)]
    public async Task It_starts_its_children_under_the_dotnet_command_too()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 20);
        await using var agent = AgentProcess.Start(
            "dotnet", [Path.Combine(AgentProcess.ProgramFolder, "agent-cli.dll"), .. Arguments], workplace.Folder, workplace.Environment);

        (await agent.ResultAsync()).ShouldSucceed();

        Assert.True(File.Exists(workplace.PathOf("report.md")));
    }

    [Theory(Timeout = 120_000)]
    [InlineData(2, 130)]
    [InlineData(9, 137)]
    [InlineData(15, 143)]
    public async Task Its_children_end_with_it(int signal, int exitCode)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "processes are looked up in /proc");
        Assert.SkipWhen(signal == 2 && ChildProcess.IgnoresInterrupt, "the tests were started in the background, where Ctrl-C is ignored");
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 10);
        // So many rows that the children are still reading when the signal comes.
        workplace.Query("""
            INSERT INTO import_rows WITH RECURSIVE more (number) AS (SELECT 1000 UNION ALL SELECT number + 1 FROM more WHERE number < 1500000)
            SELECT (SELECT id FROM imports), number, '["a", 1, true, null, "2024-05-01"]' FROM more;
            UPDATE imports SET row_count = (SELECT count(*) FROM import_rows)
            """);

        var agent = workplace.Start(Arguments);
        await agent.LineAsync("Processing row");
        var children = agent.Children();
        agent.Signal(signal);
        var result = await agent.ResultAsync();

        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal(3, children.Count);
        await Eventually.TrueAsync("the children are gone", () => !children.Exists(AgentProcess.IsAlive), TimeSpan.FromSeconds(10));
        Assert.False(File.Exists(workplace.PathOf("report.md")));
    }
}

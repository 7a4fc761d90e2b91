using Xunit;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.AgentCli.Tests;

public sealed class InterruptedImportTests
{
    private const int Rows = 30_000;
    private const int SigInt = 2;
    private const int SigKill = 9;
    private const int SigTerm = 15;

    [Theory(Timeout = 120_000)]
    [InlineData(SigKill, 137)]
    [InlineData(SigTerm, 143)]
    [InlineData(SigInt, 130)]
    public async Task An_import_that_was_ended_in_the_middle_can_be_run_again(int signal, int exitCode)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals");
        Assert.SkipWhen(signal == SigInt && ChildProcess.IgnoresInterrupt, "the tests were started in the background, where Ctrl-C is ignored");
        await using var workplace = new Workplace();
        workplace.Environment["TASK_IDEMPOTENCY_KEY"] = "interrupted";
        workplace.MakeSample("sample.xlsx", Rows);

        var import = workplace.Start("task-context", "import-excel", "sample.xlsx", "--main-tab", "MB Attributes");
        await import.LineAsync("Processing row 6000/");
        import.Signal(signal);
        var ended = await import.ResultAsync();

        Assert.Equal(exitCode, ended.ExitCode);
        Assert.DoesNotContain("   at ", ended.Error, StringComparison.Ordinal);
        Assert.Empty(workplace.Cells());
        Assert.True(workplace.Count("import_rows") > 0, "it was ended before anything was committed");

        (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();
        Assert.Equal((1, Rows), (workplace.Count("imports"), workplace.Count("import_rows")));
        Assert.Equal(Rows, workplace.Cells().Distinct().Count());
    }

    [Fact(Timeout = 120_000)]
    public async Task What_was_imported_before_stays_until_the_new_import_is_complete()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals");
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 25);
        File.Delete(workplace.PathOf("sample.xlsx"));
        workplace.MakeSample("sample.xlsx", Rows);

        var import = workplace.Start("task-context", "import-excel", "sample.xlsx", "--main-tab", "MB Attributes");
        await import.LineAsync("Processing row 6000/");
        import.Signal(SigKill);
        await import.ResultAsync();

        Assert.Equal(25, workplace.Cells().Count);
        (await workplace.RunAsync("agent", "run", "--input", "weight")).ShouldSucceed();
        Assert.Contains("25 rows, 10 columns", workplace.Read("report.md"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task Two_imports_of_the_same_tab_at_once_leave_one_of_them()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("sample.xlsx", rows: 3000);

        var results = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => workplace.ImportAsync("sample.xlsx", "MB Attributes")));

        Assert.Contains(results, result => result.ExitCode == 0);
        Assert.All(results.Where(result => result.ExitCode != 0), result => result.ShouldFail(1, "took over"));
        Assert.Equal((1, 3000), (workplace.Count("imports"), workplace.Count("import_rows")));
    }
}

using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class LargeImportTests
{
    private const int MemoryLimit = 300;

    [Fact(Timeout = 180_000)]
    public async Task A_hundred_thousand_rows_pass_through_in_bounded_memory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "peak memory is read from /proc");
        await using var workplace = new Workplace();
        (await workplace.RunAsync("make-workbook", "large.xlsx", "--rows", "100000")).ShouldSucceed();

        var import = workplace.Start("task-context", "import-excel", "large.xlsx", "--main-tab", "MB Attributes");
        int? peak = null;
        for (var line = ""; line != "Processing row 100000/100000";)
        {
            line = await import.LineAsync("Processing row");
            peak = import.PeakMemory() ?? peak;
        }

        var result = (await import.ResultAsync()).ShouldSucceed();
        TestContext.Current.TestOutputHelper?.WriteLine($"peak memory: {peak} MB");
        Assert.InRange(peak ?? int.MaxValue, 1, MemoryLimit);
        Assert.InRange(result.Output.Count(line => line.StartsWith("Processing", StringComparison.Ordinal)), 900, 1001);
        Assert.Equal(100_000, workplace.Count("import_rows"));
    }
}

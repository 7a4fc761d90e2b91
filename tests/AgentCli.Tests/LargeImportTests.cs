using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class LargeImportTests
{
    private const int MemoryLimit = 300;

    private const int Rows = 100_000;
    private const int Columns = 10;

    [Fact(Timeout = 180_000)]
    public async Task A_hundred_thousand_rows_pass_through_in_bounded_memory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "peak memory is read from /proc");
        await using var workplace = new Workplace();
        (await workplace.RunAsync("make-workbook", "large.xlsx", "--rows", $"{Rows}")).ShouldSucceed();

        await ImportWithinTheLimitAsync(workplace, "MB Attributes");
    }

    [Fact(Timeout = 180_000)]
    public async Task So_do_a_million_texts_of_which_no_two_are_the_same()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "peak memory is read from /proc");
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("large.xlsx", "Texts", Enumerable.Range(0, Rows + 1).Select(Texts));

        await ImportWithinTheLimitAsync(workplace, "Texts");
    }

    private static async Task ImportWithinTheLimitAsync(Workplace workplace, string tab)
    {
        var import = workplace.Start("task-context", "import-excel", "large.xlsx", "--main-tab", tab);
        int? peak = null;
        for (var line = ""; line != $"Processing row {Rows}/{Rows}";)
        {
            line = await import.LineAsync("Processing row");
            peak = import.PeakMemory() ?? peak;
        }

        var result = (await import.ResultAsync()).ShouldSucceed();
        TestContext.Current.TestOutputHelper?.WriteLine($"peak memory: {peak} MB");
        Assert.InRange(peak ?? int.MaxValue, 1, MemoryLimit);
        Assert.InRange(result.Output.Count(line => line.StartsWith("Processing", StringComparison.Ordinal)), 900, 1001);
        Assert.Equal(Rows, workplace.Count("import_rows"));
    }

    private static object?[] Texts(int row)
    {
        return [.. Enumerable.Range(0, Columns).Select(column => $"text {(row * Columns) + column} of some forty characters in all")];
    }
}

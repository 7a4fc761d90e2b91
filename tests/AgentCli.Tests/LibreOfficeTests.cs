using System.Diagnostics;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class LibreOfficeTests
{
    [Fact(Timeout = 180_000)]
    public async Task A_workbook_that_LibreOffice_has_written_gives_the_same_rows()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/soffice"), "LibreOffice is not installed (/usr/bin/soffice)");
        await using var workplace = new Workplace();
        workplace.MakeSample("sample.xlsx", rows: 500);
        await ConvertAsync(workplace);

        (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();
        var own = workplace.Cells();
        (await workplace.ImportAsync("converted/sample.xlsx", "MB Attributes")).ShouldSucceed();
        var converted = workplace.Cells();
        (await workplace.ImportAsync("converted/sample.xlsx", "Regional Prices", "--custom-structure")).ShouldSucceed();

        Assert.Equal(500, own.Count);
        Assert.Equal(own, converted);
        Assert.Contains("Gross / Contract", workplace.Columns());
    }

    private static async Task ConvertAsync(Workplace workplace)
    {
        // A profile of its own: LibreOffice refuses to start twice with one.
        var profile = new Uri(workplace.PathOf("profile")).AbsoluteUri;
        using var office = Process.Start(new ProcessStartInfo("/usr/bin/soffice",
            [$"-env:UserInstallation={profile}", "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", workplace.PathOf("converted"), workplace.PathOf("sample.xlsx")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = office.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await office.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await office.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(office.ExitCode == 0, await error);
    }
}

using System.IO.Compression;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class DamagedWorkbookTests
{
    [Fact(Timeout = 30_000)]
    public async Task A_missing_file_is_named()
    {
        await using var workplace = new Workplace();

        (await workplace.ImportAsync("nowhere.xlsx", "Data")).ShouldFail(2, "there is no file nowhere.xlsx");
    }

    [Theory(Timeout = 30_000)]
    [InlineData("just text", "not an Excel workbook")]
    [InlineData("", "not an Excel workbook")]
    [InlineData("PK but no archive", "damaged")]
    public async Task A_file_that_is_no_workbook_is_refused(string content, string reason)
    {
        await using var workplace = new Workplace();
        await File.WriteAllTextAsync(workplace.PathOf("file.xlsx"), content, TestContext.Current.CancellationToken);

        (await workplace.ImportAsync("file.xlsx", "Data")).ShouldFail(1, reason);
    }

    [Fact(Timeout = 30_000)]
    public async Task An_old_or_protected_workbook_is_told_how_to_save_it()
    {
        await using var workplace = new Workplace();
        await File.WriteAllBytesAsync(workplace.PathOf("old.xlsx"), [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], TestContext.Current.CancellationToken);

        (await workplace.ImportAsync("old.xlsx", "Data")).ShouldFail(1, "save it as .xlsx");
    }

    [Fact(Timeout = 30_000)]
    public async Task Another_kind_of_archive_is_refused()
    {
        await using var workplace = new Workplace();
        using (var archive = ZipFile.Open(workplace.PathOf("other.xlsx"), ZipArchiveMode.Create))
            archive.CreateEntry("readme.txt");

        (await workplace.ImportAsync("other.xlsx", "Data")).ShouldFail(1, "not an Excel workbook");
    }

    [Fact(Timeout = 30_000)]
    public async Task A_workbook_that_is_cut_off_is_refused()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("cut.xlsx", rows: 500);
        using (var file = File.OpenWrite(workplace.PathOf("cut.xlsx")))
            file.SetLength(file.Length / 2);

        (await workplace.ImportAsync("cut.xlsx", "MB Attributes")).ShouldFail(1, "damaged");
    }

    [Fact(Timeout = 60_000)]
    public async Task Bytes_that_were_changed_never_end_in_a_stack_trace()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("sound.xlsx", rows: 300);
        var sound = await File.ReadAllBytesAsync(workplace.PathOf("sound.xlsx"), TestContext.Current.CancellationToken);

        for (var attempt = 1; attempt <= 12; attempt++)
        {
            var changed = sound.ToArray();
            for (var index = 64; index < 256; index++)
                changed[(attempt * (sound.Length / 13)) + index] ^= (byte)(index * attempt);
            await File.WriteAllBytesAsync(workplace.PathOf("changed.xlsx"), changed, TestContext.Current.CancellationToken);

            var result = await workplace.ImportAsync("changed.xlsx", "MB Attributes");

            // Damage in a tab that is not read may go unnoticed.
            if (result.ExitCode != 0)
                result.ShouldFail(1, "damaged");
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task Damage_in_the_middle_of_a_tab_leaves_the_earlier_import_in_place()
    {
        await using var workplace = new Workplace();
        HandMadeWorkbook.Write(workplace.PathOf("data.xlsx"), Row(1, "Name") + Row(2, "sound"));
        (await workplace.ImportAsync("data.xlsx", "Data")).ShouldSucceed();
        File.Delete(workplace.PathOf("data.xlsx"));
        HandMadeWorkbook.Write(workplace.PathOf("data.xlsx"), Row(1, "Name") + Row(2, "new") + "<row r=\"3\"><c r=\"A3\" t=\"s\"><v>99</v></c></row><row></wor>");

        (await workplace.ImportAsync("data.xlsx", "Data")).ShouldFail(1, "damaged");

        Assert.Equal(["""["sound"]"""], workplace.Cells());
    }

    private static string Row(int number, string text)
    {
        return $"""<row r="{number}"><c r="A{number}" t="inlineStr"><is><t>{text}</t></is></c></row>""";
    }
}

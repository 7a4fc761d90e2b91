using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class CustomStructureTests
{
    [Fact(Timeout = 30_000)]
    public async Task A_header_of_two_rows_below_a_title_gives_names_of_two_levels()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("sample.xlsx", rows: 5);

        var result = (await workplace.ImportAsync("sample.xlsx", "Regional Prices", "--custom-structure")).ShouldSucceed();

        Assert.Contains(result.Output, line => line.EndsWith("40 rows, 6 columns, header in rows 3-4", StringComparison.Ordinal));
        Assert.Equal(["Region", "Currency", "Net / List", "Net / Contract", "Gross / List", "Gross / Contract"], workplace.Columns());
        Assert.Equal("""["North","EUR",100,90,119,107.1]""", workplace.Cells()[0]);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_header_of_three_rows_is_followed_down_to_its_end()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("deep.xlsx", "Deep",
        [
            ["As of", new DateTime(2024, 5, 1)],
            ["Item", "Price", null, null],
            [null, "Net", null, "Gross"],
            [null, "List", "Contract", null],
            ["Lamp", 1, 2, 3],
        ], "A2:A4", "B2:D2", "B3:C3", "D3:D4");

        (await workplace.ImportAsync("deep.xlsx", "Deep", "--custom-structure")).ShouldSucceed();

        Assert.Equal(["Item", "Price / Net / List", "Price / Net / Contract", "Price / Gross"], workplace.Columns());
        Assert.Equal(["""["Lamp",1,2,3]"""], workplace.Cells());
    }

    [Fact(Timeout = 30_000)]
    public async Task A_plain_header_in_the_first_row_is_found_too()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("plain.xlsx", "Plain", [["Name", "Town"], ["Ann", "Bern"], ["Bea", "Graz"]]);

        (await workplace.ImportAsync("plain.xlsx", "Plain", "--custom-structure")).ShouldSucceed();

        Assert.Equal(["Name", "Town"], workplace.Columns());
        Assert.Equal(2, workplace.Count("import_rows"));
    }

    [Fact(Timeout = 30_000)]
    public async Task Without_the_option_an_empty_first_row_points_to_it()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("late.xlsx", "Late", [null, ["Name", "Town"], ["Ann", "Bern"]]);

        (await workplace.ImportAsync("late.xlsx", "Late")).ShouldFail(1, "--custom-structure");
    }

    [Fact(Timeout = 30_000)]
    public async Task A_tab_of_numbers_only_has_no_header_to_find()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("numbers.xlsx", "Numbers", [[1, 2], [3, 4]]);

        (await workplace.ImportAsync("numbers.xlsx", "Numbers", "--custom-structure")).ShouldFail(1, "no header was found");
    }
}

using TaskPipeline.AgentCli.Workbooks;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class ImportExcelTests
{
    [Fact(Timeout = 30_000)]
    public async Task Every_row_of_a_small_workbook_is_reported()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("sample.xlsx", rows: 120);

        var result = (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();

        Assert.Equal(
            Enumerable.Range(1, 120).Select(row => $"Processing row {row}/120"),
            result.Output.Where(line => line.StartsWith("Processing", StringComparison.Ordinal)));
        Assert.Equal(120, workplace.Count("import_rows"));
    }

    [Fact(Timeout = 30_000)]
    public async Task Cells_of_every_kind_arrive_as_what_they_are()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("kinds.xlsx", "Kinds",
        [
            ["Text", "Number", "Yes", "Day", "Moment", "Formula", "Error", "Gap"],
            ["Größe \"A\" <b>", 12.5m, true, new DateTime(2024, 2, 29), new DateTime(2024, 2, 29, 13, 5, 0), new CellFormula("B2*2", 25), new CellError("#DIV/0!"), null],
            ["  ", 3, false, null, null, new CellFormula("B3*2", 6), new CellError("#N/A"), "filled"],
        ]);

        (await workplace.ImportAsync("kinds.xlsx", "Kinds")).ShouldSucceed();

        Assert.Equal(
        [
            """["Größe \"A\" <b>",12.5,true,"2024-02-29","2024-02-29T13:05:00",25,{"error":"#DIV/0!"},null]""",
            """[null,3,false,null,null,6,{"error":"#N/A"},"filled"]""",
        ], workplace.Cells());
    }

    [Fact(Timeout = 30_000)]
    public async Task What_other_programs_write_is_understood()
    {
        await using var workplace = new Workplace();
        HandMadeWorkbook.Write(
            workplace.PathOf("other.xlsx"),
            """
            <row><c t="inlineStr"><is><t>Inline</t></is></c><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="inlineStr"><is><t>Share</t></is></c><c t="inlineStr"><is><t>Sum</t></is></c></row>
            <row r="3"><c r="A3" t="inlineStr"><is><r><t>two </t></r><r><t>runs</t></r></is></c><c r="B3" s="2"><v>45000</v></c>
            <c r="C3" s="3"><v>0.5</v></c><c r="D3" s="4"><v>0.125</v></c><c r="E3" t="str"><f>A1&amp;"!"</f><v>joined</v></c></row>
            """,
            sharedStrings: """<si><t>Date</t></si><si><r><rPr><b/></rPr><t>Ti</t></r><r><t>me</t></r></si>""");

        (await workplace.ImportAsync("other.xlsx", "Data")).ShouldSucceed();

        Assert.Equal(["Inline", "Date", "Time", "Share", "Sum"], workplace.Columns());
        Assert.Equal(["""["two runs","2023-03-15","12:00:00",0.125,"joined"]"""], workplace.Cells());
    }

    [Fact(Timeout = 30_000)]
    public async Task Dates_of_the_older_Macintosh_calendar_are_right()
    {
        await using var workplace = new Workplace();
        HandMadeWorkbook.Write(
            workplace.PathOf("mac.xlsx"),
            """<row r="1"><c r="A1" t="inlineStr"><is><t>Day</t></is></c></row><row r="2"><c r="A2" s="1"><v>43538</v></c></row>""",
            workbookSettings: """<workbookPr date1904="1"/>""");

        (await workplace.ImportAsync("mac.xlsx", "Data")).ShouldSucceed();

        Assert.Equal(["""["2023-03-15"]"""], workplace.Cells());
    }

    [Fact(Timeout = 30_000)]
    public async Task Empty_rows_are_skipped_and_rows_keep_the_number_they_have_in_the_sheet()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("gaps.xlsx", "Gaps", [["A", "B"], [1, 2], null, [" ", null], null, [5, 6], null]);

        var result = (await workplace.ImportAsync("gaps.xlsx", "Gaps")).ShouldSucceed();

        Assert.Contains("Processing row 2/2", result.Output);
        Assert.Equal(["2|[1,2]", "6|[5,6]"], workplace.Query("SELECT row_number, cells FROM import_rows ORDER BY row_number"));
    }

    [Fact(Timeout = 30_000)]
    public async Task Columns_without_a_name_or_with_the_same_one_can_be_told_apart()
    {
        await using var workplace = new Workplace();
        workplace.MakeWorkbook("names.xlsx", "Names", [["Size", null, "size", "Two\nlines", null], [1, 2, 3, 4, null, null, 7]]);

        (await workplace.ImportAsync("names.xlsx", "Names")).ShouldSucceed();

        Assert.Equal(["Size", "Column B", "size (2)", "Two lines", "Column G"], workplace.Columns());
        Assert.Equal(["[1,2,3,4,7]"], workplace.Cells());
    }

    [Fact(Timeout = 30_000)]
    public async Task An_unknown_tab_is_answered_with_the_tabs_there_are()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("sample.xlsx", rows: 5);

        var result = await workplace.ImportAsync("sample.xlsx", "MB Atributes");

        result.ShouldFail(2, "sample.xlsx has no tab 'MB Atributes'; its tabs are: 'MB Attributes', 'Regional Prices', 'Notes'");
    }

    [Fact(Timeout = 30_000)]
    public async Task A_tab_is_found_in_whatever_case_it_is_written()
    {
        await using var workplace = new Workplace();
        workplace.MakeSample("sample.xlsx", rows: 5);

        (await workplace.ImportAsync("sample.xlsx", "mb attributes")).ShouldSucceed();

        Assert.Equal(["MB Attributes"], workplace.Query("SELECT tab FROM imports"));
    }

    [Fact(Timeout = 30_000)]
    public async Task An_import_that_is_repeated_replaces_the_rows_and_doubles_nothing()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 50);
        File.Delete(workplace.PathOf("sample.xlsx"));

        await workplace.ImportSampleAsync(rows: 40);

        Assert.Equal((1, 40, 10), (workplace.Count("imports"), workplace.Count("import_rows"), workplace.Count("import_columns")));
    }

    [Fact(Timeout = 30_000)]
    public async Task Other_tabs_and_files_are_left_alone()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 50);
        workplace.MakeSample("other.xlsx", rows: 7);

        (await workplace.ImportAsync("other.xlsx", "MB Attributes")).ShouldSucceed();
        (await workplace.ImportAsync("other.xlsx", "Notes")).ShouldSucceed();

        Assert.Equal(["other.xlsx|MB Attributes|7", "other.xlsx|Notes|1", "sample.xlsx|MB Attributes|50"],
            workplace.Query("SELECT file_name, tab, row_count FROM imports ORDER BY 1, 2"));
    }

    [Fact(Timeout = 30_000)]
    public async Task A_task_that_is_delivered_twice_imports_once_and_another_task_imports_anew()
    {
        await using var workplace = new Workplace();
        workplace.Environment["TASK_IDEMPOTENCY_KEY"] = "order-1";
        await workplace.ImportSampleAsync(rows: 20);

        var again = (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();
        Assert.Contains("nothing to do", again.Output[^1], StringComparison.Ordinal);
        Assert.Equal(20, workplace.Count("import_rows"));

        workplace.Environment["TASK_IDEMPOTENCY_KEY"] = "order-2";
        var other = (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();
        Assert.Contains("Processing row 20/20", other.Output);
        Assert.Equal(20, workplace.Count("import_rows"));
    }

    [Fact(Timeout = 30_000)]
    public async Task The_sample_workbook_imports_with_500_rows()
    {
        await using var workplace = new Workplace();

        var result = (await workplace.ImportAsync(Path.Combine(AppContext.BaseDirectory, "samples", "attributes.xlsx"), "MB Attributes")).ShouldSucceed();

        Assert.Contains("Processing row 120/500", result.Output);
        Assert.Contains("Processing row 500/500", result.Output);
    }
}

using System.CommandLine;
using TaskPipeline.AgentCli.Workbooks;

namespace TaskPipeline.AgentCli.Commands;

internal static class MakeWorkbookCommand
{
    // Excel's limit is 1,048,576, including the header and the empty row.
    private const int MostRows = 1_000_000;

    private const string Details = """
        It has the tabs 'MB Attributes' (header in the first row, one empty row in the middle), 'Regional Prices' (a title and a
        merged header of two rows: import it with --custom-structure) and 'Notes'. The same number of rows always gives the same
        file.
        Example: agent-cli make-workbook big.xlsx --rows 100000
        """;

    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The .xlsx file to write; an existing one is replaced" };
        var rows = new CountOption("--rows", usual: 500, MostRows) { Description = "Rows of the tab 'MB Attributes'" };
        var command = new DetailedCommand("make-workbook", "Write a sample workbook for trying imports.", Details) { file, rows };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(file), parsed.GetValue(rows)));
        return command;
    }

    private static int Run(string path, int rows)
    {
        var unfinished = path + ".tmp";
        try
        {
            File.Delete(unfinished);
            SampleWorkbook.Write(unfinished, rows);
            File.Move(unfinished, path, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }

        Console.WriteLine($"Wrote {path} with {rows} rows in the tab 'MB Attributes'");
        return ExitCodes.Succeeded;
    }
}

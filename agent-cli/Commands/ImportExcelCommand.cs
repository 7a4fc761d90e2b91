using System.CommandLine;
using System.Data.Common;
using TaskPipeline.AgentCli.Databases;
using TaskPipeline.AgentCli.Importing;
using TaskPipeline.AgentCli.Workbooks;

namespace TaskPipeline.AgentCli.Commands;

internal static class ImportExcelCommand
{
    private const string Details = """
        The first row of the tab is the header; every row below it that is not empty is imported. Formulas give the value
        they had when the workbook was saved, error cells are kept as errors. Columns without a header are called
        'Column D', and a name that comes twice gets a number.

        With --custom-structure the header is looked for in the first 50 rows: it begins at the first row that has only
        texts, at least two of them (a merged cell is one), over at least half of the columns; titles and notes above it
        are left out. Where merged cells join it with the rows below, those belong to the header too, and a column's name
        is made of all levels: 'Net / List'.

        An import replaces what an earlier one of the same file name and tab had brought, in one step at its end, so
        nothing is doubled and an interrupted import leaves the earlier state. A task (TASK_IDEMPOTENCY_KEY) that has
        finished its import before does nothing when it is run again.

        A missing file and an unknown tab end with exit code 2, a file that cannot be read as a workbook with 1.
        Example: agent-cli task-context import-excel attributes.xlsx --main-tab "MB Attributes"
        """;

    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The workbook, an .xlsx file" };
        var tab = new Option<string>("--main-tab") { Description = "The tab to import", HelpName = "NAME", Required = true };
        var isCustom = new Option<bool>("--custom-structure") { Description = "The header is not simply the first row: find it" };
        var database = new DatabaseOption();
        var command = new DetailedCommand("import-excel", "Import one tab of an Excel workbook.", Details) { file, tab, isCustom, database };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            database.Open(parsed), parsed.GetRequiredValue(file), parsed.GetRequiredValue(tab), parsed.GetValue(isCustom), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ProjectDatabase database, string path, string tabName, bool isCustom, CancellationToken cancellationToken)
    {
        using var workbook = Workbook.Open(path);
        var tab = workbook.Tab(tabName);
        var taskKey = Environment.GetEnvironmentVariable("TASK_IDEMPOTENCY_KEY");
        var key = new ImportKey(Path.GetFileName(path), tab, string.IsNullOrEmpty(taskKey) ? null : taskKey);

        Console.WriteLine($"Opening {database.Description}");
        await using var connection = await database.OpenAsync(cancellationToken);
        await CreateTablesAsync(database, connection, cancellationToken);
        if (await TabImport.WasFinishedAsync(connection, key, cancellationToken))
        {
            Console.WriteLine($"This task has imported the tab '{tab}' of {key.FileName} already: nothing to do");
            return ExitCodes.Succeeded;
        }

        var survey = TabSurvey.Of(workbook, tab, isCustom, cancellationToken);
        Console.WriteLine($"Tab '{tab}' of {key.FileName}: {survey.RowCount} rows, {survey.Columns.Count} columns, header in {RowsOf(survey.Header)}");
        var columns = survey.Columns.Select(column => column.Name).ToArray();
        await using var import = await TabImport.BeginAsync(database, connection, key, columns, cancellationToken);
        var progress = new RowProgress(survey.RowCount);
        var count = 0;
        foreach (var row in workbook.Rows(tab).Skip(survey.Header.LastRow).Where(row => !row.IsEmpty))
        {
            await import.AddAsync(row.Number, CellJson.Write(row, survey.Columns), cancellationToken);
            progress.Reached(++count);
        }

        await import.FinishAsync(cancellationToken);
        Console.WriteLine($"Imported {count} rows from the tab '{tab}' of {key.FileName}");
        return ExitCodes.Succeeded;
    }

    private static async Task CreateTablesAsync(ProjectDatabase database, DbConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        foreach (var table in await ProjectTables.CreateMissingAsync(database, transaction, ProjectTables.Imports, cancellationToken))
            Console.WriteLine($"Created table {table}");
        await transaction.CommitAsync(cancellationToken);
    }

    private static string RowsOf(TabHeader header)
    {
        return header.FirstRow == header.LastRow ? $"row {header.FirstRow}" : $"rows {header.FirstRow}-{header.LastRow}";
    }
}

using System.CommandLine;
using System.Data.Common;
using TaskPipeline.AgentCli.Databases;
using TaskPipeline.AgentCli.Importing;
using TaskPipeline.AgentCli.Workbooks;

namespace TaskPipeline.AgentCli.Commands;

internal static class ImportExcelCommand
{
    private const string Details = """
        The first row of the tab is the header. Every non-empty row below it is imported. Formulas give the value that was saved
        with the workbook; error cells are kept as errors. Columns without a header are called 'Column D', and a repeated name
        gets a number.

        With --custom-structure the header is searched for in the first 50 rows. It begins at the first row that has only texts,
        at least two (a merged cell is one), over at least half of the columns; titles and notes above it are left out. Rows that
        merged cells connect with it belong to the header too. The name of a column then joins all levels: 'Net / List'.

        At its end an import replaces, in one step, what an earlier import of the same file name and tab has stored. So nothing
        is duplicated, and an interrupted import changes nothing. A task (TASK_IDEMPOTENCY_KEY) that has already finished its
        import does nothing when it runs again.

        If the file or the tab does not exist, the exit code is 2; if the file cannot be read as a workbook, it is 1.
        Example: agent-cli task-context import-excel attributes.xlsx --main-tab "MB Attributes"
        """;

    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The workbook, an .xlsx file" };
        var tab = new Option<string>("--main-tab") { Description = "The tab to import", HelpName = "NAME", Required = true };
        var isCustom = new Option<bool>("--custom-structure") { Description = "Find the header, because it is not simply the first row" };
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
            Console.WriteLine($"This task has already imported the tab '{tab}' of {key.FileName}: nothing to do");
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

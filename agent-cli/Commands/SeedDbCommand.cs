using System.CommandLine;
using TaskPipeline.AgentCli.Databases;

namespace TaskPipeline.AgentCli.Commands;

internal static class SeedDbCommand
{
    private const string Details = """
        You can run it again at any time: existing data are kept. Everything happens in one transaction.
        Example: agent-cli seed-db --reset --db ./shop.db
        """;

    public static Command Create()
    {
        var database = new DatabaseOption();
        var reset = new Option<bool>("--reset") { Description = "First drop the project's tables with all their data, including imports" };
        var command = new DetailedCommand("seed-db", "Create the project's tables and fill them with sample data.", Details) { reset, database };
        command.SetAction((parsed, cancellationToken) => RunAsync(database.Open(parsed), parsed.GetValue(reset), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ProjectDatabase database, bool isReset, CancellationToken cancellationToken)
    {
        Console.WriteLine($"Opening {database.Description}");
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (isReset)
        {
            foreach (var table in await ProjectTables.DropAsync(database, transaction, cancellationToken))
                Console.WriteLine($"Dropped table {table}");
        }

        var tables = ProjectTables.Samples.Concat(ProjectTables.Imports).ToArray();
        var created = await ProjectTables.CreateMissingAsync(database, transaction, tables, cancellationToken);
        foreach (var (table, _) in tables)
            Console.WriteLine(created.Contains(table) ? $"Created table {table}" : $"Table {table} exists already");

        foreach (var (table, _) in ProjectTables.Samples)
        {
            var added = await SampleRows.AddMissingAsync(transaction, table, cancellationToken);
            var total = await transaction.CountAsync($"SELECT count(*) FROM {table}", cancellationToken);
            Console.WriteLine(added == 0 ? $"Nothing to add to {table}: it has {total} rows" : $"Added {added} rows to {table}: {total} rows now");
        }

        await transaction.CommitAsync(cancellationToken);
        Console.WriteLine("The database is ready");
        return ExitCodes.Succeeded;
    }
}

using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using TaskPipeline.AgentCli.Analysing;
using TaskPipeline.AgentCli.Databases;
using TaskPipeline.AgentCli.Importing;

namespace TaskPipeline.AgentCli.Commands;

/// <summary>A child of `agent run`: reads its share of the rows and sends its parent their profiles.</summary>
internal static class AnalysePartCommand
{
    private const int RowsPerLine = 50;

    public static Command Create()
    {
        var part = new Option<int>("--part") { Required = true };
        var parts = new Option<int>("--parts") { Required = true };
        var imports = new Option<string[]>("--import") { Required = true };
        var database = new DatabaseOption();
        var command = new Command("analyse-part", "One child of agent run.") { part, parts, imports, database };
        command.Hidden = true;
        command.SetAction((parsed, cancellationToken) => RunAsync(
            database.Open(parsed), parsed.GetValue(part), parsed.GetValue(parts), parsed.GetRequiredValue(imports), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ProjectDatabase database, int part, int parts, string[] importIds, CancellationToken cancellationToken)
    {
        EndWithParent();
        await using var connection = await database.OpenAsync(cancellationToken);
        var profiles = new List<TabProfile>();
        var rows = 0;
        foreach (var tab in (await ImportCatalog.FinishedAsync(database, connection, cancellationToken)).Where(tab => importIds.Contains(tab.Id)))
        {
            var profile = TabProfile.Of(tab.Id, await ImportCatalog.ColumnsAsync(connection, tab.Id, cancellationToken));
            var (from, until) = tab.Share(part, parts);
            await foreach (var (row, cells) in RowsAsync(connection, tab.Id, from, until).WithCancellation(cancellationToken))
            {
                using var document = JsonDocument.Parse(cells);
                profile.Add(row, document.RootElement);
                if (++rows % RowsPerLine == 0)
                    Console.WriteLine($"{PartLines.Rows}{rows}");
            }

            profiles.Add(profile);
        }

        if (profiles.Count != importIds.Length)
            throw new CommandException("an import was replaced in the meantime; run the agent again");
        Console.WriteLine($"{PartLines.Rows}{rows}");
        Console.WriteLine(PartLines.Profiles + JsonSerializer.Serialize(profiles, ProfileJson.Default.ListTabProfile));
        return ExitCodes.Succeeded;
    }

    private static async IAsyncEnumerable<(int Row, string Cells)> RowsAsync(DbConnection connection, string importId, int from, int until)
    {
        const string Sql = """
            SELECT row_number, cells FROM import_rows
            WHERE import_id = @id AND row_number >= @from AND row_number < @until ORDER BY row_number
            """;
        await using var command = connection.Command(null, Sql, ("@id", importId), ("@from", from), ("@until", until));
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            yield return (Convert.ToInt32(reader.GetValue(0), CultureInfo.InvariantCulture), reader.GetString(1));
    }

    private static void EndWithParent()
    {
        var watch = new Thread(() =>
        {
            using var stdin = Console.OpenStandardInput();
            while (stdin.ReadByte() >= 0)
            {
                // The parent writes nothing; only the end counts.
            }

            Environment.Exit(ExitCodes.Terminated);
        })
        {
            IsBackground = true,
        };
        watch.Start();
    }
}

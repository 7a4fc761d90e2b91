using System.Data.Common;
using System.Globalization;
using TaskPipeline.AgentCli.Databases;

namespace TaskPipeline.AgentCli.Importing;

/// <summary>Reads the finished imports.</summary>
internal static class ImportCatalog
{
    public static async Task<List<ImportedTab>> FinishedAsync(ProjectDatabase database, DbConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        foreach (var (table, _) in ProjectTables.Imports)
        {
            if (!await database.HasTableAsync(transaction, table, cancellationToken))
                return [];
        }

        await transaction.RollbackAsync(cancellationToken);
        const string Sql = """
            SELECT id, file_name, tab, row_count, (SELECT coalesce(min(row_number), 0) FROM import_rows WHERE import_id = id),
                (SELECT coalesce(max(row_number), -1) FROM import_rows WHERE import_id = id)
            FROM imports WHERE finished_at IS NOT NULL ORDER BY file_name, tab
            """;
        return await connection.QueryAsync(Sql, Read, cancellationToken);
    }

    public static async Task<List<string>> ColumnsAsync(DbConnection connection, string importId, CancellationToken cancellationToken)
    {
        const string Sql = "SELECT name FROM import_columns WHERE import_id = @id ORDER BY position";
        return await connection.QueryAsync(Sql, row => row.GetString(0), cancellationToken, ("@id", importId));
    }

    private static ImportedTab Read(DbDataReader row)
    {
        int Number(int index) => Convert.ToInt32(row.GetValue(index), CultureInfo.InvariantCulture);
        return new ImportedTab(row.GetString(0), row.GetString(1), row.GetString(2), Number(3), Number(4), Number(5));
    }
}

/// <summary>An imported tab. First and last row are row numbers in the sheet; there can be empty rows between them, so their distance is not a count.</summary>
internal sealed record ImportedTab(string Id, string FileName, string Name, int RowCount, int FirstRow, int LastRow)
{
    /// <summary>The row range of one part: from a row up to, but not including, another.</summary>
    public (int From, int Until) Share(int part, int parts)
    {
        long rows = LastRow - FirstRow + 1;
        return (FirstRow + (int)(rows * (part - 1) / parts), FirstRow + (int)(rows * part / parts));
    }
}

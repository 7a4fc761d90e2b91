using System.Data.Common;
using TaskPipeline.AgentCli.Databases;

namespace TaskPipeline.AgentCli.Importing;

/// <summary>
/// The import of one tab. Its rows are committed in batches under a new id, and count only when the import is finished. That step also removes an earlier
/// import of the same file and tab. So an interrupted import changes nothing that anybody reads, and the next import starts from a clean state.
/// </summary>
internal sealed class TabImport : IAsyncDisposable
{
    // Rows per statement: few round trips, and far below the parameter limits of both engines.
    private const int RowsPerStatement = 100;
    private const int RowsPerCommit = 2000;

    private const string SameTab = "file_name = @file AND tab = @tab";

    private readonly ProjectDatabase _database;
    private readonly DbConnection _connection;
    private readonly ImportKey _key;
    private readonly string _id;
    private readonly List<(int Number, string Cells)> _pending = [];
    private readonly DbCommand _insert;
    private DbTransaction? _batch;
    private int _rows;

    private TabImport(ProjectDatabase database, DbConnection connection, ImportKey key, string id)
    {
        _database = database;
        _connection = connection;
        _key = key;
        _id = id;
        _insert = InsertOf(RowsPerStatement);
    }

    /// <summary>Whether this task has already finished this import, because it was delivered twice.</summary>
    public static async Task<bool> WasFinishedAsync(DbConnection connection, ImportKey key, CancellationToken cancellationToken)
    {
        if (key.TaskKey is null)
            return false;
        const string Sql = $"SELECT id FROM imports WHERE {SameTab} AND task_key = @task AND finished_at IS NOT NULL";
        return (await connection.QueryAsync(Sql, row => row.GetString(0), cancellationToken, [.. key.Tab, ("@task", key.TaskKey)])).Count > 0;
    }

    public static async Task<TabImport> BeginAsync(
        ProjectDatabase database, DbConnection connection, ImportKey key, IReadOnlyList<string> columns, CancellationToken cancellationToken)
    {
        var id = Guid.CreateVersion7().ToString();
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await database.LockAsync(transaction, cancellationToken);
        await transaction.ExecuteAsync($"DELETE FROM imports WHERE {SameTab} AND finished_at IS NULL", cancellationToken, key.Tab);
        await transaction.ExecuteAsync(
            "INSERT INTO imports (id, file_name, tab, task_key, row_count, started_at) VALUES (@id, @file, @tab, @task, 0, @now)",
            cancellationToken,
            [.. key.Tab, ("@id", id), ("@task", key.TaskKey), ("@now", DateTime.UtcNow)]);
        for (var position = 0; position < columns.Count; position++)
        {
            await transaction.ExecuteAsync(
                "INSERT INTO import_columns (import_id, position, name) VALUES (@id, @position, @name)",
                cancellationToken,
                ("@id", id),
                ("@position", position),
                ("@name", columns[position]));
        }

        await transaction.CommitAsync(cancellationToken);
        return new TabImport(database, connection, key, id);
    }

    public async Task AddAsync(int rowNumber, string cells, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _pending.Add((rowNumber, cells));
        _rows++;
        if (_pending.Count == RowsPerStatement)
            await InsertAsync(_insert, cancellationToken);
        if (_rows % RowsPerCommit == 0)
            await CommitAsync(cancellationToken);
    }

    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        if (_pending.Count > 0)
        {
            await using var rest = InsertOf(_pending.Count);
            await InsertAsync(rest, cancellationToken);
        }

        // The batch ends first: the holder of the lock can wait for our entry, so we must not hold the entry while we wait for the lock.
        await CommitAsync(cancellationToken);
        await using var last = await _connection.BeginTransactionAsync(cancellationToken);
        await _database.LockAsync(last, cancellationToken);
        await ClaimAsync(last, cancellationToken);
        await last.ExecuteAsync($"DELETE FROM imports WHERE {SameTab} AND id <> @id", cancellationToken, [.. _key.Tab, ("@id", _id)]);
        await last.ExecuteAsync("UPDATE imports SET finished_at = @now WHERE id = @id", cancellationToken, ("@id", _id), ("@now", DateTime.UtcNow));
        await last.CommitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_batch is not null)
            await _batch.DisposeAsync();
        await _insert.DisposeAsync();
    }

    private async Task InsertAsync(DbCommand insert, CancellationToken cancellationToken)
    {
        if (_batch is null)
        {
            _batch = await _connection.BeginTransactionAsync(cancellationToken);
            await ClaimAsync(_batch, cancellationToken);
        }

        insert.Transaction = _batch;
        insert.Parameters[0].Value = _id;
        for (var index = 0; index < _pending.Count; index++)
        {
            insert.Parameters[1 + (2 * index)].Value = _pending[index].Number;
            insert.Parameters[2 + (2 * index)].Value = _pending[index].Cells;
        }

        await insert.ExecuteNonQueryAsync(cancellationToken);
        _pending.Clear();
    }

    private async Task CommitAsync(CancellationToken cancellationToken)
    {
        if (_batch is null)
            return;
        await _batch.ExecuteAsync("UPDATE imports SET row_count = @rows WHERE id = @id", cancellationToken, ("@id", _id), ("@rows", _rows));
        await _batch.CommitAsync(cancellationToken);
        await _batch.DisposeAsync();
        _batch = null;
    }

    // Updating our entry first prevents a second import of the tab from removing it during a batch.
    private async Task ClaimAsync(DbTransaction batch, CancellationToken cancellationToken)
    {
        if (await batch.ExecuteAsync("UPDATE imports SET row_count = row_count WHERE id = @id", cancellationToken, ("@id", _id)) == 0)
            throw new CommandException($"a newer import of the tab '{_key.TabName}' took over; this one leaves no rows");
    }

    private DbCommand InsertOf(int rows)
    {
        var places = string.Join(", ", Enumerable.Range(0, rows).Select(row => $"(@id, @n{row}, @c{row})"));
        var insert = _connection.Command(null, $"INSERT INTO import_rows (import_id, row_number, cells) VALUES {places}", ("@id", null));
        for (var row = 0; row < rows; row++)
        {
            insert.Add($"@n{row}");
            insert.Add($"@c{row}");
        }

        return insert;
    }
}

/// <summary>Identifies an import: the file's name without its folder, the tab, and the task that requested it, if any.</summary>
internal sealed record ImportKey(string FileName, string TabName, string? TaskKey)
{
    public (string Name, object? Value)[] Tab => [("@file", FileName), ("@tab", TabName)];
}

using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace TaskPipeline.AgentCli.Databases;

internal sealed class SqliteDatabase : ProjectDatabase
{
    private readonly SqliteConnectionStringBuilder _settings;

    static SqliteDatabase()
    {
        SQLitePCL.Batteries_V2.Init();
    }

    private SqliteDatabase(SqliteConnectionStringBuilder settings)
    {
        settings.ForeignKeys = true;
        settings.Pooling = false;
        _settings = settings;
    }

    public override string Description => $"file {_settings.DataSource}";

    public override string Connection => _settings.ConnectionString;

    public static SqliteDatabase At(string connection)
    {
        if (!connection.Contains('=', StringComparison.Ordinal))
            return new SqliteDatabase(new SqliteConnectionStringBuilder { DataSource = connection });
        try
        {
            return new SqliteDatabase(new SqliteConnectionStringBuilder(connection));
        }
        catch (ArgumentException)
        {
            // The parser's message can quote the connection, including a password for another engine.
            throw CommandException.Usage("the database connection is invalid; agent-cli --help shows its forms");
        }
    }

    public override async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(_settings.DataSource)) is { } folder)
            Directory.CreateDirectory(folder);
        var connection = new SqliteConnection(_settings.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            // Readers can continue while an import writes, and a commit costs one write instead of two.
            await connection.ExecuteAsync("PRAGMA journal_mode = WAL", cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public override async Task<bool> HasTableAsync(DbTransaction transaction, string table, CancellationToken cancellationToken)
    {
        const string Sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = @name";
        return await transaction.CountAsync(Sql, cancellationToken, ("@name", table)) > 0;
    }

    public override Task LockAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        // A transaction already begins as the only writer of the file.
        return Task.CompletedTask;
    }
}

using System.Data.Common;

namespace TaskPipeline.AgentCli.Databases;

/// <summary>The project's database. Commands speak plain SQL that both engines understand; what differs between them is here.</summary>
internal abstract class ProjectDatabase
{
    public const string DefaultFile = "./agent.db";

    /// <summary>For the user's eyes: never holds a password.</summary>
    public abstract string Description { get; }

    /// <summary>What a child process gets as DB_CONN. Holds the password, so it goes by environment, never by argument.</summary>
    public abstract string Connection { get; }

    public static ProjectDatabase Named(string? connection)
    {
        if (string.IsNullOrWhiteSpace(connection))
            return SqliteDatabase.At(DefaultFile);
        return PostgresDatabase.Understands(connection) ? PostgresDatabase.At(connection) : SqliteDatabase.At(connection);
    }

    public abstract Task<DbConnection> OpenAsync(CancellationToken cancellationToken);

    public abstract Task<bool> HasTableAsync(DbTransaction transaction, string table, CancellationToken cancellationToken);

    /// <summary>Holds off, until the transaction ends, others that change the schema or begin or finish an import.</summary>
    public abstract Task LockAsync(DbTransaction transaction, CancellationToken cancellationToken);
}

using System.Data.Common;

namespace TaskPipeline.AgentCli.Databases;

/// <summary>The project's database. Commands use SQL that both engines understand; the differences are here.</summary>
internal abstract class ProjectDatabase
{
    public const string DefaultFile = "./agent.db";

    /// <summary>A description for the user. It never contains a password.</summary>
    public abstract string Description { get; }

    /// <summary>The DB_CONN of a child process. It contains the password, so it goes into the environment, never into an argument.</summary>
    public abstract string Connection { get; }

    public static ProjectDatabase Named(string? connection)
    {
        if (string.IsNullOrWhiteSpace(connection))
            return SqliteDatabase.At(DefaultFile);
        return PostgresDatabase.Understands(connection) ? PostgresDatabase.At(connection) : SqliteDatabase.At(connection);
    }

    public abstract Task<DbConnection> OpenAsync(CancellationToken cancellationToken);

    public abstract Task<bool> HasTableAsync(DbTransaction transaction, string table, CancellationToken cancellationToken);

    /// <summary>Locks out, until the transaction ends, others that change the schema, or begin or finish an import.</summary>
    public abstract Task LockAsync(DbTransaction transaction, CancellationToken cancellationToken);
}

using System.Data.Common;

namespace TaskPipeline.AgentCli.Databases;

/// <summary>The tables of the project, in the order of their creation; they are dropped in reverse.</summary>
internal static class ProjectTables
{
    public static readonly (string Name, string Columns)[] Samples =
    [
        ("customers", "id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, since DATE NOT NULL"),
        ("products", "id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, price NUMERIC(12, 2) NOT NULL"),
        ("orders", "id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), ordered_on DATE NOT NULL"),
        ("order_lines", """
            order_id INTEGER NOT NULL REFERENCES orders (id), product_id INTEGER NOT NULL REFERENCES products (id),
            quantity INTEGER NOT NULL, PRIMARY KEY (order_id, product_id)
            """),
    ];

    /// <summary>An import without finished_at is in progress or was interrupted; nobody reads its rows.</summary>
    public static readonly (string Name, string Columns)[] Imports =
    [
        ("imports", """
            id TEXT PRIMARY KEY, file_name TEXT NOT NULL, tab TEXT NOT NULL, task_key TEXT, row_count INTEGER NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE NOT NULL, finished_at TIMESTAMP WITH TIME ZONE
            """),
        ("import_columns", """
            import_id TEXT NOT NULL REFERENCES imports (id) ON DELETE CASCADE, position INTEGER NOT NULL,
            name TEXT NOT NULL, PRIMARY KEY (import_id, position)
            """),
        ("import_rows", """
            import_id TEXT NOT NULL REFERENCES imports (id) ON DELETE CASCADE, row_number INTEGER NOT NULL,
            cells TEXT NOT NULL, PRIMARY KEY (import_id, row_number)
            """),
    ];

    /// <summary>Creates the missing tables and returns their names.</summary>
    public static async Task<List<string>> CreateMissingAsync(
        ProjectDatabase database, DbTransaction transaction, IEnumerable<(string Name, string Columns)> tables, CancellationToken cancellationToken)
    {
        await database.LockAsync(transaction, cancellationToken);
        var created = new List<string>();
        foreach (var (name, columns) in tables)
        {
            if (await database.HasTableAsync(transaction, name, cancellationToken))
                continue;
            await transaction.ExecuteAsync($"CREATE TABLE {name} ({columns})", cancellationToken);
            created.Add(name);
        }

        return created;
    }

    /// <summary>Drops the existing tables and returns their names.</summary>
    public static async Task<List<string>> DropAsync(ProjectDatabase database, DbTransaction transaction, CancellationToken cancellationToken)
    {
        await database.LockAsync(transaction, cancellationToken);
        var dropped = new List<string>();
        foreach (var (name, _) in Samples.Concat(Imports).Reverse())
        {
            if (!await database.HasTableAsync(transaction, name, cancellationToken))
                continue;
            await transaction.ExecuteAsync($"DROP TABLE {name}", cancellationToken);
            dropped.Add(name);
        }

        return dropped;
    }
}

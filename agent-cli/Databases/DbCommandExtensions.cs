using System.Data.Common;
using System.Globalization;

namespace TaskPipeline.AgentCli.Databases;

/// <summary>SQL with named parameters on a connection or within a transaction.</summary>
internal static class DbCommandExtensions
{
    extension(DbConnection connection)
    {
        public async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params (string Name, object? Value)[] values)
        {
            await using var command = connection.Command(null, sql, values);
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }

        public async Task<List<T>> QueryAsync<T>(string sql, Func<DbDataReader, T> read, CancellationToken cancellationToken, params (string Name, object? Value)[] values)
        {
            await using var command = connection.Command(null, sql, values);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var rows = new List<T>();
            while (await reader.ReadAsync(cancellationToken))
                rows.Add(read(reader));
            return rows;
        }

        public DbCommand Command(DbTransaction? transaction, string sql, params (string Name, object? Value)[] values)
        {
            var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = sql;
            foreach (var (name, value) in values)
                command.Add(name, value);
            return command;
        }
    }

    extension(DbTransaction transaction)
    {
        public async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params (string Name, object? Value)[] values)
        {
            await using var command = transaction.Connection!.Command(transaction, sql, values);
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }

        public async Task<long> CountAsync(string sql, CancellationToken cancellationToken, params (string Name, object? Value)[] values)
        {
            await using var command = transaction.Connection!.Command(transaction, sql, values);
            return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
        }
    }

    extension(DbCommand command)
    {
        public DbParameter Add(string name, object? value = null)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value ?? DBNull.Value;
            command.Parameters.Add(parameter);
            return parameter;
        }
    }
}

using System.Data.Common;
using Npgsql;

namespace TaskPipeline.AgentCli.Databases;

internal sealed class PostgresDatabase : ProjectDatabase
{
    // An arbitrary number that the project's programs share.
    private const long ProjectLock = 7_205_401;

    private readonly NpgsqlConnectionStringBuilder _settings;

    private PostgresDatabase(NpgsqlConnectionStringBuilder settings)
    {
        // One connection per command: a pool would only delay the exit.
        settings.Pooling = false;
        _settings = settings;
    }

    public override string Description => $"PostgreSQL database {_settings.Database} on {_settings.Host}:{_settings.Port}";

    public override string Connection => _settings.ConnectionString;

    public static bool Understands(string connection)
    {
        return IsAddress(connection)
            || connection.StartsWith("Host=", StringComparison.OrdinalIgnoreCase)
            || connection.Contains(";Host=", StringComparison.OrdinalIgnoreCase)
            || connection.StartsWith("Server=", StringComparison.OrdinalIgnoreCase)
            || connection.Contains(";Server=", StringComparison.OrdinalIgnoreCase);
    }

    public static PostgresDatabase At(string connection)
    {
        try
        {
            return new PostgresDatabase(IsAddress(connection) ? FromAddress(new Uri(connection)) : new NpgsqlConnectionStringBuilder(connection));
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or KeyNotFoundException)
        {
            // The parser's message can quote the connection, including the password.
            throw CommandException.Usage("the PostgreSQL connection is invalid; agent-cli --help shows its forms");
        }
    }

    public override async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(_settings.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch (Exception exception) when (exception is NpgsqlException or System.Net.Sockets.SocketException)
        {
            await connection.DisposeAsync();
            throw new CommandException($"{Description} cannot be opened: {exception.Message}", exception);
        }
    }

    public override async Task<bool> HasTableAsync(DbTransaction transaction, string table, CancellationToken cancellationToken)
    {
        return await transaction.CountAsync("SELECT count(*) FROM pg_class WHERE oid = to_regclass(@name)", cancellationToken, ("@name", table)) > 0;
    }

    public override async Task LockAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        await transaction.ExecuteAsync($"SELECT pg_advisory_xact_lock({ProjectLock})", cancellationToken);
    }

    private static bool IsAddress(string connection)
    {
        return connection.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase)
            || connection.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase);
    }

    private static NpgsqlConnectionStringBuilder FromAddress(Uri address)
    {
        var settings = new NpgsqlConnectionStringBuilder { Host = Uri.UnescapeDataString(address.Host) };
        if (address.Port > 0)
            settings.Port = address.Port;
        if (address.AbsolutePath.Length > 1)
            settings.Database = Uri.UnescapeDataString(address.AbsolutePath[1..]);
        if (address.UserInfo.Split(':', 2) is [{ Length: > 0 } user, .. var password])
        {
            settings.Username = Uri.UnescapeDataString(user);
            if (password is [var secret])
                settings.Password = Uri.UnescapeDataString(secret);
        }

        foreach (var pair in address.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            // libpq writes sslmode, application_name; Npgsql accepts them with or without spaces.
            if (pair.Split('=', 2) is [var name, var value])
                settings[name.Replace('_', ' ')] = Uri.UnescapeDataString(value);
        }

        return settings;
    }
}

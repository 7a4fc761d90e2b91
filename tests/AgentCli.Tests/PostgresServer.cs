using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using TaskPipeline.LocalProcesses;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

/// <summary>A PostgreSQL of its own in a temporary folder, where its programs are installed; otherwise the reason why there is none.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private const string Password = "s3cret/pass";
    private const int SigInt = 2;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-cli-postgres-");
    private Process? _server;
    private int _port;

    public string? Missing { get; private set; }

    public async ValueTask InitializeAsync()
    {
        var programs = Programs();
        if (programs is null)
        {
            Missing = "PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql/*/bin";
            return;
        }

        // PostgreSQL refuses to run as root.
        var isRoot = Environment.UserName == "root";
        if (isRoot && !await SucceedsAsync("chown", "postgres", _folder.FullName))
        {
            Missing = "PostgreSQL does not run as root, and there is no user postgres";
            return;
        }

        string[] runAs = isRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
        var passwordFile = Path.Combine(_folder.FullName, "password");
        await File.WriteAllTextAsync(passwordFile, Password);
        var data = Path.Combine(_folder.FullName, "data");
        if (!await SucceedsAsync([.. runAs, Path.Combine(programs, "initdb"), "-D", data, "-U", "tester", "--auth=scram-sha-256", $"--pwfile={passwordFile}", "--no-sync"]))
        {
            Missing = "initdb could not make a database cluster";
            return;
        }

        _port = FreePort.Find();
        _server = StartProcess([.. runAs, Path.Combine(programs, "postgres"), "-D", data, "-p", $"{_port}", "-k", _folder.FullName, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        while (await _server.StandardError.ReadLineAsync() is { } line)
        {
            if (line.Contains("ready to accept connections", StringComparison.Ordinal))
                break;
        }

        _ = _server.StandardError.ReadToEndAsync();
    }

    /// <summary>The connection of a new, empty database.</summary>
    public async Task<NpgsqlConnectionStringBuilder> NewDatabaseAsync()
    {
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = _port,
            Username = "tester",
            Password = Password,
            Database = "postgres",
            Pooling = false,
        };
        var name = $"shop_{Guid.NewGuid():N}";
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"CREATE DATABASE {name}", connection);
        await command.ExecuteNonQueryAsync();
        settings.Database = name;
        return settings;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            using (var kill = StartProcess(["kill", $"-{SigInt}", $"{_server.Id}"]))
                await kill.WaitForExitAsync();
            await _server.WaitForExitAsync();
            _server.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private static string? Programs()
    {
        var installed = Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")) : [];
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Concat(installed.OrderDescending())
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "postgres")));
    }

    private static Process StartProcess(string[] command)
    {
        return Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" })!;
    }

    private static async Task<bool> SucceedsAsync(params string[] command)
    {
        using var process = StartProcess(command);
        var error = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        await error;
        return process.ExitCode == 0;
    }
}

using Npgsql;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class PostgresTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    [Fact(Timeout = 120_000)]
    public async Task Seed_import_and_agent_work_as_on_a_file()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        await using var workplace = new Workplace();
        var settings = await server.NewDatabaseAsync();
        workplace.Environment["DB_CONN"] = settings.ConnectionString;

        var seeded = (await workplace.RunAsync("seed-db")).ShouldSucceed();
        Assert.Contains("Added 20 rows to customers: 20 rows now", seeded.Output);
        Assert.Contains("Nothing to add to customers: it has 20 rows", (await workplace.RunAsync("seed-db")).ShouldSucceed().Output);
        await workplace.ImportSampleAsync(rows: 5000);
        (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();
        (await workplace.RunAsync("agent", "run", "--input", "weight", "--parallel-workers", "3")).ShouldSucceed();

        Assert.Equal((1, 5000), (await CountAsync(settings, "imports"), await CountAsync(settings, "import_rows")));
        Assert.Contains("5000 rows, 10 columns", workplace.Read("report.md"), StringComparison.Ordinal);
        Assert.Contains("Dropped table customers", (await workplace.RunAsync("seed-db", "--reset")).ShouldSucceed().Output);
        Assert.Equal(0, await CountAsync(settings, "imports"));
        Assert.False(File.Exists(workplace.PathOf("agent.db")));
    }

    [Fact(Timeout = 120_000)]
    public async Task An_address_is_understood_and_its_password_never_shown()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        await using var workplace = new Workplace();
        var settings = await server.NewDatabaseAsync();
        var password = Uri.EscapeDataString(settings.Password!);
        var address = $"postgres://{settings.Username}:{password}@{settings.Host}:{settings.Port}/{settings.Database}?sslmode=disable&application_name=tests";

        var seeded = (await workplace.RunAsync("seed-db", "--db", address)).ShouldSucceed();
        var refused = (await workplace.RunAsync("seed-db", "--db", address.Replace(password, "wr0ng", StringComparison.Ordinal))).ShouldFail(1, "password authentication failed");

        Assert.Contains($"Opening PostgreSQL database {settings.Database} on 127.0.0.1:{settings.Port}", seeded.Output);
        Assert.All(seeded.Output, line => Assert.DoesNotContain("s3cret", line, StringComparison.Ordinal));
        Assert.DoesNotContain("wr0ng", refused.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task Agents_that_start_at_the_same_time_do_not_disturb_each_other()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        await using var workplace = new Workplace();
        var settings = await server.NewDatabaseAsync();
        workplace.Environment["DB_CONN"] = settings.ConnectionString;
        workplace.MakeSample("sample.xlsx", rows: 3000);

        var seeds = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => workplace.RunAsync("seed-db")));
        var imports = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => workplace.ImportAsync("sample.xlsx", "MB Attributes")));

        Assert.All(seeds, seed => seed.ShouldSucceed());
        Assert.Contains(imports, import => import.ExitCode == 0);
        Assert.All(imports.Where(import => import.ExitCode != 0), import => import.ShouldFail(1, "took over"));
        Assert.Equal((20, 1, 3000), (await CountAsync(settings, "customers"), await CountAsync(settings, "imports"), await CountAsync(settings, "import_rows")));
    }

    [Fact(Timeout = 120_000)]
    public async Task An_import_that_was_killed_can_be_run_again()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        await using var workplace = new Workplace();
        var settings = await server.NewDatabaseAsync();
        workplace.Environment["DB_CONN"] = settings.ConnectionString;
        workplace.MakeSample("sample.xlsx", rows: 30_000);

        var import = workplace.Start("task-context", "import-excel", "sample.xlsx", "--main-tab", "MB Attributes");
        await import.LineAsync("Processing row 6000/");
        import.Signal(9);
        await import.ResultAsync();
        (await workplace.ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();

        Assert.Equal((1, 30_000), (await CountAsync(settings, "imports"), await CountAsync(settings, "import_rows")));
    }

    private static async Task<long> CountAsync(NpgsqlConnectionStringBuilder settings, string table)
    {
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand($"SELECT count(*) FROM {table}", connection);
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }
}

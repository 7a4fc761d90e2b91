using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class SeedDbTests
{
    [Fact(Timeout = 30_000)]
    public async Task Seeding_reports_each_table_and_fills_it()
    {
        await using var workplace = new Workplace();

        var result = (await workplace.RunAsync("seed-db")).ShouldSucceed();

        Assert.Contains("Created table customers", result.Output);
        Assert.Contains("Added 20 rows to customers: 20 rows now", result.Output);
        Assert.Equal("The database is ready", result.Output[^1]);
        Assert.Equal((20, 30, 100), (workplace.Count("customers"), workplace.Count("products"), workplace.Count("orders")));
    }

    [Fact(Timeout = 30_000)]
    public async Task Seeding_twice_adds_nothing_and_keeps_what_was_changed()
    {
        await using var workplace = new Workplace();
        (await workplace.RunAsync("seed-db")).ShouldSucceed();
        workplace.Query("UPDATE customers SET name = 'Renamed' WHERE id = 3");

        var again = (await workplace.RunAsync("seed-db")).ShouldSucceed();

        Assert.Contains("Table customers exists already", again.Output);
        Assert.Contains("Nothing to add to customers: it has 20 rows", again.Output);
        Assert.Equal(["Renamed"], workplace.Query("SELECT name FROM customers WHERE id = 3"));
    }

    [Fact(Timeout = 30_000)]
    public async Task A_reset_begins_anew_and_drops_imports_too()
    {
        await using var workplace = new Workplace();
        (await workplace.RunAsync("seed-db")).ShouldSucceed();
        await workplace.ImportSampleAsync(rows: 10);
        workplace.Query("DELETE FROM order_lines; UPDATE customers SET name = 'Renamed'");

        var reset = (await workplace.RunAsync("seed-db", "--reset")).ShouldSucceed();

        Assert.Contains("Dropped table customers", reset.Output);
        Assert.Equal(200, workplace.Count("order_lines"));
        Assert.Equal((0, 0), (workplace.Count("imports"), workplace.Count("import_rows")));
        Assert.Equal(0, workplace.Count("customers WHERE name = 'Renamed'"));
    }

    [Fact(Timeout = 30_000)]
    public async Task Seeding_at_the_same_time_gives_one_set_of_rows()
    {
        await using var workplace = new Workplace();

        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => workplace.RunAsync("seed-db")));

        Assert.All(results, result => result.ShouldSucceed());
        Assert.Equal(20, workplace.Count("customers"));
    }

    [Fact(Timeout = 30_000)]
    public async Task The_option_wins_over_the_environment()
    {
        await using var workplace = new Workplace();
        workplace.Environment["DB_CONN"] = "environment.db";

        (await workplace.RunAsync("seed-db")).ShouldSucceed();
        (await workplace.RunAsync("seed-db", "--db", "folder/option.db")).ShouldSucceed();

        Assert.Equal(20, workplace.Count("customers", "environment.db"));
        Assert.Equal(20, workplace.Count("customers", "folder/option.db"));
        Assert.False(File.Exists(workplace.PathOf("agent.db")));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("Hosst=db;Password=s3cret", 2)]
    [InlineData("Host=db;Pasword=s3cret", 2)]
    [InlineData("postgres://user:s3cret@[/shop", 2)]
    [InlineData("postgres://user:s3cret@127.0.0.1:1/shop", 1)]
    [InlineData("Host=127.0.0.1;Port=1;Username=user;Password=s3cret", 1)]
    public async Task A_connection_that_cannot_be_used_is_explained_without_its_password(string connection, int exitCode)
    {
        await using var workplace = new Workplace();
        workplace.Environment["DB_CONN"] = connection;

        var result = (await workplace.RunAsync("seed-db")).ShouldFail(exitCode, "");

        Assert.DoesNotContain("s3cret", string.Join('\n', result.Output) + result.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_file_that_is_no_database_is_refused()
    {
        await using var workplace = new Workplace();
        await File.WriteAllTextAsync(workplace.PathOf("agent.db"), new string('x', 5000), TestContext.Current.CancellationToken);

        (await workplace.RunAsync("seed-db")).ShouldFail(1, "not a database");
    }
}

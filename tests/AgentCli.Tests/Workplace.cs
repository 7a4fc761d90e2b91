using Microsoft.Data.Sqlite;
using TaskPipeline.AgentCli.Workbooks;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

/// <summary>A folder of its own in which agent-cli runs, with its database; both are gone afterwards.</summary>
internal sealed class Workplace : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-cli-tests-");
    private readonly List<AgentProcess> _started = [];

    static Workplace()
    {
        SQLitePCL.Batteries_V2.Init();
    }

    /// <summary>Variables that every agent of this workplace gets; null takes one away.</summary>
    public Dictionary<string, string?> Environment { get; } = new()
    {
        ["DB_CONN"] = null,
        ["TASK_ID"] = null,
        ["TASK_IDEMPOTENCY_KEY"] = null,
        ["TASK_ARTIFACTS"] = null,
        ["OPENAI_BASE_URL"] = null,
        ["OPENAI_API_KEY"] = null,
        ["OPENAI_MODEL"] = null,
    };

    public string Folder => _folder.FullName;

    public string PathOf(string name)
    {
        return Path.Combine(Folder, name);
    }

    public string Read(string name)
    {
        return File.ReadAllText(PathOf(name));
    }

    public AgentProcess Start(params string[] arguments)
    {
        var agent = AgentProcess.Start(AgentProcess.Program, arguments, Folder, Environment);
        _started.Add(agent);
        return agent;
    }

    public async Task<AgentResult> RunAsync(params string[] arguments)
    {
        return await Start(arguments).ResultAsync();
    }

    public async Task<AgentResult> ImportAsync(string file, string tab, params string[] more)
    {
        return await RunAsync(["task-context", "import-excel", file, "--main-tab", tab, .. more]);
    }

    public async Task ImportSampleAsync(int rows)
    {
        MakeSample("sample.xlsx", rows);
        (await ImportAsync("sample.xlsx", "MB Attributes")).ShouldSucceed();
    }

    public void MakeSample(string name, int rows)
    {
        SampleWorkbook.Write(PathOf(name), rows);
    }

    public void MakeWorkbook(string name, string tab, IEnumerable<object?[]?> rows, params string[] mergedRanges)
    {
        using var workbook = new WorkbookWriter(PathOf(name));
        workbook.AddTab(tab, rows, mergedRanges);
    }

    public List<string> Query(string sql, string database = "agent.db")
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = PathOf(database), Pooling = false }.ConnectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(reader.GetValue)));
        return rows;
    }

    public long Count(string table, string database = "agent.db")
    {
        return long.Parse(Assert.Single(Query($"SELECT count(*) FROM {table}", database)), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The cells of all finished imports' rows, in their order.</summary>
    public List<string> Cells()
    {
        return Query("SELECT cells FROM import_rows JOIN imports ON id = import_id WHERE finished_at IS NOT NULL ORDER BY import_id, row_number");
    }

    public List<string> Columns()
    {
        return Query("SELECT name FROM import_columns ORDER BY import_id, position");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in _started)
            await agent.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}

using System.CommandLine;
using TaskPipeline.AgentCli.Databases;

namespace TaskPipeline.AgentCli.Commands;

internal sealed class DatabaseOption : Option<string?>
{
    public DatabaseOption()
        : base("--db")
    {
        Description = "The project's database: an SQLite file or a PostgreSQL connection. Default: DB_CONN, otherwise ./agent.db";
        HelpName = "CONNECTION";
    }

    public ProjectDatabase Open(ParseResult parsed)
    {
        return ProjectDatabase.Named(parsed.GetValue(this) ?? Environment.GetEnvironmentVariable("DB_CONN"));
    }
}

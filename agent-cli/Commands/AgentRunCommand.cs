using System.CommandLine;
using TaskPipeline.AgentCli.Analysing;
using TaskPipeline.AgentCli.Databases;
using TaskPipeline.AgentCli.Importing;
using TaskPipeline.AgentCli.Summarising;

namespace TaskPipeline.AgentCli.Commands;

internal static class AgentRunCommand
{
    private const int MostWorkers = 32;

    private const string Details = """
        N child processes read the rows of all imported tabs, each its share. The report is Markdown. For each column it has the
        types, empty cells, distinct and most frequent values, ranges of numbers and dates, and unusual cells. It also says which
        columns and values contain words of the question.

        If OPENAI_BASE_URL and OPENAI_MODEL are set (and OPENAI_API_KEY, if the endpoint needs one), that model also writes a
        summary into the report, and its words are printed as they arrive. If the model fails, the report has no summary.

        A relative --report is in the folder TASK_ARTIFACTS if that is set, otherwise in the current folder.
        Example: agent-cli agent run --input "Which units are used, and what weighs most?" --parallel-workers 3
        """;

    public static Command Create()
    {
        var input = new Option<string>("--input") { Description = "The question; - reads it from stdin", HelpName = "TEXT", Required = true };
        var workers = new CountOption("--parallel-workers", usual: 2, MostWorkers) { Description = "Number of child processes" };
        var report = new Option<string>("--report") { Description = "The report to write", HelpName = "PATH", DefaultValueFactory = _ => "./report.md" };
        var database = new DatabaseOption();
        var command = new DetailedCommand("run", "Analyse the imported data and write a report.", Details) { input, workers, report, database };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            database.Open(parsed), parsed.GetRequiredValue(input), parsed.GetValue(workers), parsed.GetRequiredValue(report), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ProjectDatabase database, string input, int workers, string report, CancellationToken cancellationToken)
    {
        var question = new Question(input == "-" ? await Console.In.ReadToEndAsync(cancellationToken) : input);
        if (question.Text.Length == 0)
            throw CommandException.Usage("the question is empty");

        Console.WriteLine($"Opening {database.Description}");
        var tabs = await ImportedTabsAsync(database, cancellationToken);
        foreach (var tab in tabs)
            Console.WriteLine($"Analysing {tab.RowCount} rows of the tab '{tab.Name}' of {tab.FileName}");
        Console.WriteLine($"Starting {workers} workers");
        var profiles = await ParallelAnalysis.RunAsync(database, tabs, workers, cancellationToken);
        var findings = AnalysisReport.Findings(tabs, profiles, question);
        var summary = await ModelSummary.TryWriteAsync(question.Text, findings, cancellationToken);
        await WriteAsync(PathOf(report), AnalysisReport.Whole(question, findings, summary, workers), cancellationToken);
        return ExitCodes.Succeeded;
    }

    private static async Task<List<ImportedTab>> ImportedTabsAsync(ProjectDatabase database, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        var tabs = await ImportCatalog.FinishedAsync(database, connection, cancellationToken);
        return tabs.Count > 0 ? tabs : throw new CommandException("nothing is imported yet; run agent-cli task-context import-excel first");
    }

    private static string PathOf(string report)
    {
        var artifacts = Environment.GetEnvironmentVariable("TASK_ARTIFACTS");
        return Path.GetFullPath(report, string.IsNullOrEmpty(artifacts) ? Environment.CurrentDirectory : Path.GetFullPath(artifacts));
    }

    private static async Task WriteAsync(string path, string text, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // A reader of the folder sees the complete report or none.
        var unfinished = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            await File.WriteAllTextAsync(unfinished, text, cancellationToken);
            File.Move(unfinished, path, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }

        Console.WriteLine($"Report written to {path}");
    }
}

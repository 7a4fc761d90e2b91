using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.EndToEnd;

/// <summary>The three sample agents as the repository's own catalogue declares them, one after the other.</summary>
public sealed class SampleAgentTests(TestBroker broker)
{
    [Fact(Timeout = 120_000)]
    public async Task A_database_is_seeded_a_workbook_imported_and_a_report_written()
    {
        var catalogue = await File.ReadAllTextAsync(Path.Combine(BuildOutput.Repository, "task-types.yaml"), TestContext.Current.CancellationToken);
        await using var deployment = await Deployment.StartAsync(broker, catalogue: catalogue, settings: [new("Worker:SearchPath", BuildOutput.FolderOf("agent-cli"))]);
        File.Copy(Path.Combine(BuildOutput.Repository, "samples", "attributes.xlsx"), Path.Combine(deployment.Pipeline.Config.Data, "attributes.xlsx"));
        deployment.Pipeline.Config.Projects["default"] = (Path.Combine(deployment.Pipeline.Folder, "project.db"), []);

        await RunAsync(deployment, await deployment.SubmitAsync("seed-db", new { reset = true }));
        var rows = await RunAsync(deployment, await deployment.SubmitAsync("task-context", new { file_path = "attributes.xlsx", main_tab = "MB Attributes" }, "import-excel"));
        var seen = rows.Where(text => text.StartsWith("Processing row ", StringComparison.Ordinal)).ToList();
        var total = int.Parse(seen[^1].Split('/')[1]);
        Assert.Equal(Enumerable.Range(1, total).Select(row => $"Processing row {row}/{total}"), seen);

        var report = await RunAsync(deployment, await deployment.SubmitAsync("agent", new { input = "Which attributes are empty?", parallel_workers = 2 }, "run"));
        var file = report.Single(text => text.Contains("report.md", StringComparison.Ordinal)).Split(' ')[^1];
        Assert.StartsWith("#", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private static async Task<List<string>> RunAsync(Deployment deployment, Submitted task)
    {
        await using var viewer = await WatchClient.WatchAsync(deployment.Api, task);
        var end = await viewer.UntilAsync("end");
        Assert.True(Deployment.StatusOf(end) == "succeeded", $"{end}\n{string.Join('\n', viewer.Texts)}");
        return [.. viewer.Texts];
    }
}

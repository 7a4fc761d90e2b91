using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>A STOP that was answered counts for a task that waits, however far behind its worker reads. <c>TASKPIPELINE_LATE_STOP_TASKS</c> takes more tasks than 60.</summary>
public sealed class LateStopTests(TestBroker broker, ITestOutputHelper output)
{
    private static readonly int Tasks = int.TryParse(Environment.GetEnvironmentVariable("TASKPIPELINE_LATE_STOP_TASKS"), out var tasks) ? tasks : 60;

    private const string Catalogue = """
        types:
          mark: { executable: sh, arguments: [-c, 'date +%s.%N > "$1"; sleep 0.02', sh], params: { file: { positional: true, required: true } }, concurrency: { key: "{project}", limit: 2 } }
        """;

    [Fact(Timeout = 180_000)]
    public async Task No_program_begins_after_the_answer_to_the_stop_of_its_task_or_the_end_says_that_it_had_begun()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 3, lanes: 4, catalogue: Catalogue);
        await using var api = await ApiUnderTest.StartAsync(broker, pipeline.Prefix, "--Kafka:Partitions=4", $"--Catalogue:File={pipeline.CatalogueFile}");
        var folder = Directory.CreateDirectory(Path.Combine(pipeline.Folder, "marks")).FullName;
        var ids = new List<string>();
        for (var i = 0; i < Tasks; i++)
            ids.Add((await api.PostAsync("tasks", new { type = "mark", @params = new { file = Path.Combine(folder, $"{i}") } })).Body.GetProperty("task_id").GetString()!);
        var answeredAt = new Dictionary<string, DateTimeOffset>();
        foreach (var id in Enumerable.Reverse(ids).Take(Tasks * 3 / 4))   // those that come last, while the workers take the first
            if ((await api.PostAsync($"tasks/{id}/stop")).Status == System.Net.HttpStatusCode.Accepted)
                answeredAt[id] = DateTimeOffset.UtcNow;
        Assert.NotEmpty(answeredAt);
        var stopped = 0;
        for (var i = 0; i < Tasks; i++)
        {
            var end = await pipeline.EndOfAsync(ids[i]);
            var mark = Path.Combine(folder, $"{i}");
            if (end is not { Status: Status.Stopped } || !answeredAt.TryGetValue(ids[i], out var answered))
                continue;
            stopped++;
            var begun = File.Exists(mark) ? DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(double.Parse(await File.ReadAllTextAsync(mark, TestContext.Current.CancellationToken), System.Globalization.CultureInfo.InvariantCulture)) : (DateTimeOffset?)null;
            if (begun > answered)
                Assert.True(end.Attempt > 0 && end.Attempts[^1].StartedAt < answered, $"task {i} was answered at {answered:O} and began at {begun:O}, and its end knows of no attempt before that");
            else if (begun is null)
                Assert.False(pipeline.Progress(ids[i]).Any(record => record is AttemptRunning), "it did not run, and its log says that it did");
        }
        output.WriteLine($"{answeredAt.Count} stops were answered with 202, {stopped} of these tasks are stopped");
    }
}

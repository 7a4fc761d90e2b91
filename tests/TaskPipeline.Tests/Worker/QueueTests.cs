using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What an owner does about the tasks that wait in its lanes.</summary>
public sealed class QueueTests(TestBroker broker)
{
    private const int Timeout = 90_000;

    private const string Catalogue = """
        types:
          say:     { executable: sh, arguments: [-c, 'echo "$1"', sh], params: { text: { positional: true, required: true } } }
          patient: { executable: sh, arguments: [-c, 'echo started; while [ ! -e "$1" ]; do sleep 0.05; done; echo released', sh], params: { file: { positional: true, required: true } }, grace: 1s }
          alone:   { executable: sh, arguments: [-c, 'date +"begin %s.%N" >> "$1"; sleep 0.3; date +"end %s.%N" >> "$1"', sh], params: { marks: { positional: true, required: true } }, concurrency: { key: "{project}" } }
          hasty:   { executable: sleep, arguments: ['1000'], deadline: 3s, grace: 1s }
          late:    { executable: sleep, arguments: ['1000'], start_by: 500ms }
        """;

    [Fact(Timeout = Timeout)]
    public async Task A_task_that_waits_behind_another_is_stopped_at_once()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var first = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(first, "started");
        var waiting = await pipeline.SubmitAsync("say", new { text = "never" });
        await pipeline.StopAsync(waiting);
        Assert.Equal((Status.Stopped, 0), await pipeline.EndOfAsync(waiting) is var end ? (end.Status, end.Attempt) : default);
        Assert.Empty(pipeline.States(first));
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(first)).Status);
        Assert.Empty(pipeline.Progress(waiting).OfType<AttemptStarting>());
    }

    [Fact(Timeout = Timeout)]
    public async Task The_higher_priority_is_taken_first_and_the_lowest_does_not_starve()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var first = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(first, "started");
        var low = await SubmitAsync(pipeline, "low");
        var normal = await SubmitAsync(pipeline, "normal");
        var high = new List<string>();
        for (var i = 0; i < 8; i++)
            high.Add(await SubmitAsync(pipeline, "high"));
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var ends = new Dictionary<string, DateTimeOffset>();
        foreach (var id in (string[])[low, normal, .. high])
            ends[id] = (await pipeline.RecordAsync<AttemptStarting>(id)).At;
        var order = ends.OrderBy(end => end.Value).Select(end => end.Key).ToList();
        Assert.Equal(high[0], order[0]);
        Assert.InRange(order.IndexOf(low), 2, 3);        // each fourth choice is the oldest of all
        Assert.True(order.IndexOf(normal) > order.IndexOf(high[3]));
    }

    [Fact(Timeout = Timeout)]
    public async Task Tasks_with_one_key_run_one_after_the_other_in_order_also_when_their_worker_dies()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2, lanes: 2, catalogue: Catalogue);
        var marks = Path.Combine(pipeline.Folder, "marks");
        var ids = new List<string>();
        for (var i = 0; i < 4; i++)
            ids.Add(await pipeline.SubmitAsync("alone", new { marks }, lane: 1));
        var first = await pipeline.RecordAsync<AttemptStarting>(ids[1]);
        pipeline.Workers[first.Worker == "w1" ? 0 : 1].KillAlone();
        foreach (var id in ids)
            Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
        var written = (await File.ReadAllLinesAsync(marks, TestContext.Current.CancellationToken)).Select(line => line.Split(' ')[0]).ToList();
        // A killed attempt has a beginning without an end; no two run at once.
        for (var i = 1; i < written.Count; i++)
            Assert.True(written[i] == "begin" || written[i - 1] == "begin", string.Join(' ', written));
        Assert.Equal(4, written.Count(mark => mark == "end"));
        var begun = ids.Select(id => pipeline.Progress(id).OfType<AttemptStarting>().Last().At).ToList();
        Assert.Equal(begun.Order(), begun);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_is_not_done_in_time_ends_and_says_which_limit_it_was()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var first = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(first, "started");
        var late = await pipeline.SubmitAsync("late");
        var overdue = await pipeline.SubmitAsync("hasty");
        Assert.Equal((Status.Expired, EndReason.StartBy, 0), await pipeline.EndOfAsync(late) is var expired ? (expired.Status, expired.Reason, expired.Attempt) : default);
        var end = await pipeline.EndOfAsync(overdue);
        Assert.Equal((Status.TimedOut, EndReason.Deadline, 0), (end.Status, end.Reason, end.Attempt));

        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(first)).Status);
        var hasty = await pipeline.SubmitAsync("hasty");
        await pipeline.RecordAsync<AttemptRunning>(hasty);
        Assert.Equal((Status.TimedOut, EndReason.Deadline, 1), await pipeline.EndOfAsync(hasty) is var cut ? (cut.Status, cut.Reason, cut.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task The_state_of_an_ended_task_is_kept_as_long_as_configured()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue, settings: [new("Worker:Keep", "00:00:02"), new("Kafka:TaskRetention", "00:00:02")]);
        var id = await pipeline.SubmitAsync("say", new { text = "soon forgotten" });
        await pipeline.EndOfAsync(id);
        await pipeline.UntilAsync("its state is a tombstone", () => pipeline.IsForgotten(id));
    }

    private static async Task<string> SubmitAsync(TestPipeline pipeline, string priority)
    {
        var id = TaskIds.New();
        await pipeline.SubmitRawAsync(JsonSerializer.Serialize(new { task_id = id, type = "say", priority, @params = new { text = priority } }), id, lane: 0);
        return id;
    }
}

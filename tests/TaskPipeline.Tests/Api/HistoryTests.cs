using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Output that memory has no room for: it is read from Kafka again, and nobody who watches can tell.</summary>
public sealed class HistoryTests(TestBroker broker) : ApiTest(broker)
{
    private const int Records = 300;
    private const int LinesPerRecord = 100;
    private const int MostBytes = 1 << 20;

    [Fact(Timeout = 120_000)]
    public async Task What_does_not_fit_into_memory_is_watched_paged_and_searched_all_the_same()
    {
        var small = await ReplicaAsync($"--Api:MaxLogBytes={MostBytes}");
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        List<string> texts = [];
        for (var record = 0; record < Records; record++)
        {
            string[] lines = [.. Enumerable.Range(1, LinesPerRecord).Select(line => $"line {(record * LinesPerRecord) + line} {new string('x', 80)}")];
            texts.AddRange(lines);
            await attempt.PrintAsync(record % 10 == 9 ? OutputStream.Stderr : OutputStream.Stdout, lines);
            if (record % 50 == 0)
                await attempt.NoteAsync(AgentEventName.Group, new { name = $"part {record}" });
        }
        await attempt.FinishAsync();
        await small.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        Assert.InRange(small.Services.GetRequiredService<LogMemory>().Bytes, 0, MostBytes);

        await using var large = await WatchClient.WatchAsync(Api, task);
        await large.ToTheEndAsync();
        await using var all = await WatchClient.WatchAsync(small, task);
        await all.ToTheEndAsync();
        Assert.Equal(texts, all.Texts);
        Assert.Equal(6, all.Events.Count(told => WatchClient.TypeOf(told) == "group"));
        Assert.Equal(large.Events[^1].ToString(), all.Events[^1].ToString());

        // From any place, with the other watchers at the same time.
        var random = new Random(5);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            var place = random.Next(1, large.Events.Count - 1);
            var seen = large.Events.Take(place + 1).Where(told => WatchClient.TypeOf(told) == "lines").Sum(told => told.GetProperty("lines").GetArrayLength());
            await using var late = await WatchClient.WatchAsync(small, task, $"from={large.Events[place].GetProperty("cursor").GetString()}");
            await late.ToTheEndAsync();
            Assert.Equal(texts.Skip(seen), late.Texts);
        }));
        await using var tail = await WatchClient.WatchAsync(small, task, "tail=12345");
        await tail.ToTheEndAsync();
        Assert.Equal(texts.TakeLast(12345), tail.Texts);
        await using var errors = await WatchClient.WatchAsync(small, task, "stream=stderr");
        await errors.ToTheEndAsync();
        Assert.Equal(Records / 10 * LinesPerRecord, errors.Texts.Count());

        var forward = (await small.GetAsync($"tasks/{task.TaskId}/output?limit=3&seq=15000")).Body;
        Assert.Equal([15000, 15001, 15002], SeqsOf(forward));
        var back = (await small.GetAsync($"tasks/{task.TaskId}/output?limit=3&before={forward.GetProperty("previous").GetString()}")).Body;
        Assert.Equal([14997, 14998, 14999], SeqsOf(back));
        var found = (await small.GetAsync($"tasks/{task.TaskId}/output?q=LINE%20777%20")).Body;
        Assert.Equal([777], SeqsOf(found));
        Assert.Equal(texts.Count, (await small.Http.GetStringAsync(new Uri($"tasks/{task.TaskId}/output?format=text", UriKind.Relative))).Count(character => character == '\n'));
    }

    [Fact(Timeout = 120_000)]
    public async Task What_Kafka_has_no_more_is_one_gap_with_its_range()
    {
        if (Cluster.IsEmbedded)
            Assert.Skip("the embedded broker deletes no records");
        var small = await ReplicaAsync($"--Api:MaxLogBytes={MostBytes}");
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        for (var record = 0; record < Records; record++)
            await attempt.PrintAsync([.. Enumerable.Range(1, LinesPerRecord).Select(line => $"line {(record * LinesPerRecord) + line} {new string('x', 80)}")]);
        await small.UntilAsync(task.TaskId, "all was read", state => state.GetProperty("lines").GetInt32() == Records * LinesPerRecord);
        var keeps = attempt.LogEnd - (Records / 2) + 1;   // one offset for each record
        using (var admin = Cluster.Admin())
            await admin.DeleteRecordsAsync([new Confluent.Kafka.TopicPartitionOffset(Cluster.Topics.Progress, task.Lane, keeps)]);
        await attempt.FinishAsync();

        await using var watcher = await WatchClient.WatchAsync(small, task);
        await watcher.ToTheEndAsync();
        var gaps = watcher.Events.Where(told => WatchClient.TypeOf(told) == "gap").ToList();
        var missing = gaps.Sum(gap => gap.GetProperty("count").GetInt32());
        Assert.All(gaps, gap => Assert.Equal("not_kept", gap.GetProperty("reason").GetString()));
        Assert.InRange(missing, 1, Records * LinesPerRecord / 2);
        Assert.Equal(1, gaps[0].GetProperty("from").GetInt32());
        for (var next = 1; next < gaps.Count; next++)
            Assert.Equal(gaps[next - 1].GetProperty("to").GetInt32() + 1, gaps[next].GetProperty("from").GetInt32());
        Assert.Equal(Enumerable.Range(missing + 1, (Records * LinesPerRecord) - missing), watcher.Lines.Select(line => line.GetProperty("seq").GetInt32()));
    }

    [Fact(Timeout = 60_000)]
    public async Task Who_waits_is_answered_as_soon_as_something_is_new()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await Api.UntilAsync(task.TaskId, "it runs", state => state.GetProperty("status").GetString() == "running");
        var detail = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        var place = detail.GetProperty("cursor").GetString();

        var output = Api.GetAsync($"tasks/{task.TaskId}/output?after={place}&wait=30s");
        var state = Api.GetAsync($"tasks/{task.TaskId}?after={place}&wait=30s");
        await attempt.PrintAsync("at last");
        Assert.Equal("at last", (await output).Body.GetProperty("lines")[0].GetProperty("text").GetString());
        Assert.Equal(1, (await state).Body.GetProperty("lines").GetInt32());
        place = (await output).Body.GetProperty("next").GetString();
        var none = (await Api.GetAsync($"tasks/{task.TaskId}/output?after={place}&wait=100ms")).Body;
        Assert.Equal((0, place), (none.GetProperty("lines").GetArrayLength(), none.GetProperty("next").GetString()));

        var ended = Api.GetAsync($"tasks/{task.TaskId}/output?after={place}&wait=30s");
        await attempt.FinishAsync();
        Assert.True((await ended).Body.GetProperty("ended").GetBoolean());
        var (status, problem) = await Api.GetAsync($"tasks/{task.TaskId}/output?wait=1h&seq=0&format=xml");
        Assert.Equal(400, (int)status);
        Assert.Equal(["format", "seq", "wait"], problem.GetProperty("errors").EnumerateObject().Select(field => field.Name).Order());
    }

    [Fact(Timeout = 60_000)]
    public async Task Lines_that_are_searched_for_come_one_by_one()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one needle", "two", "a Needle more");
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        using var answer = await Api.Http.GetAsync(new Uri($"tasks/{task.TaskId}/output?q=needle&format=ndjson", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType!.MediaType);
        var lines = (await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal([1, 3], lines.Select(line => JsonElement.Parse(line).GetProperty("seq").GetInt32()));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watcher_may_begin_at_a_time()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("before");
        await Eventually.TrueAsync("time has passed", () => DateTimeOffset.UtcNow - attempt.PrintedAt > TimeSpan.FromMilliseconds(20), TimeSpan.FromSeconds(5));
        var since = DateTimeOffset.UtcNow;
        await attempt.PrintAsync("after", "and more");
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        foreach (var (query, expected) in new[] { ($"since={Uri.EscapeDataString(since.ToString("O"))}", 2), ("since=1h", 3), ($"since={Uri.EscapeDataString(DateTimeOffset.UtcNow.ToString("O"))}", 0) })
        {
            await using var watcher = await WatchClient.WatchAsync(Api, task, query);
            await watcher.ToTheEndAsync();
            Assert.Equal(expected, watcher.Texts.Count());
            Assert.Equal("end", WatchClient.TypeOf(watcher.Events[^1]));
        }
        await using var wrong = await WatchClient.WatchAsync(Api, task, "since=yesterday");
        await wrong.ToTheEndAsync();
        Assert.Equal((4505, true), ((int)wrong.CloseCode!, wrong.CloseReason!.StartsWith("since must be a time", StringComparison.Ordinal)));
    }

    [Fact(Timeout = 60_000)]
    public async Task More_watchers_than_a_client_may_have_are_told_to_come_back()
    {
        var narrow = await ReplicaAsync("--Api:MaxWatchersPerClient=2");
        var task = await Api.SubmitAsync();
        await using var first = await WatchClient.WatchAsync(narrow, task);
        await first.UntilAsync("caught_up");
        await using (var second = await WatchClient.WatchAsync(narrow, task))
        {
            await second.UntilAsync("caught_up");
            await using var third = await WatchClient.WatchAsync(narrow, task);
            await third.ToTheEndAsync();
            Assert.Equal(4029, (int)third.CloseCode!);
            Assert.Contains("Api:MaxWatchersPerClient", third.CloseReason!, StringComparison.Ordinal);
            using var stream = await narrow.Http.GetAsync(new Uri(task.Link("events"), UriKind.Relative), TestContext.Current.CancellationToken);
            Assert.Equal(429, (int)stream.StatusCode);
            Assert.NotNull(stream.Headers.RetryAfter);
        }
        await Eventually.TrueAsync("there is room again", async () =>
        {
            await using var next = await WatchClient.WatchAsync(narrow, task);
            return await next.NextAsync() is { } told && WatchClient.TypeOf(told) == "hello";
        }, TimeSpan.FromSeconds(20));
    }

    private static IEnumerable<int> SeqsOf(JsonElement page) => page.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("seq").GetInt32());
}

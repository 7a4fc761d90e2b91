using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.EndToEnd;

/// <summary>
/// Odd records in every topic, odd lines from agents, odd bodies and messages from callers, all at once: no process ends, each task that was accepted has one end, every list
/// answers. <c>TASKPIPELINE_FUZZ_SECONDS</c> makes it longer than 20 s; <c>TASKPIPELINE_FUZZ_SEED</c> repeats a run.
/// </summary>
public sealed class RecordFuzzTests(TestBroker broker, ITestOutputHelper output)
{
    private const int Lanes = 4;
    private const int MostRecordBytes = 2 * 1024 * 1024 - 1024;

    private const string Catalogue = """
        types:
          say:    { executable: sh, arguments: [-c, 'echo "$1"', sh], params: { text: { positional: true, required: true } } }
          print:  { executable: sh, arguments: [-c, 'cat "$1"', sh], params: { file: { positional: true, required: true } } }
          parsed: { executable: sh, arguments: [-c, 'cat "$1"', sh], params: { file: { positional: true, required: true } }, parser: claude, retry: { attempts: 2, rules: [{ event: { last: word }, then: end }] } }
          heard:  { executable: cat, input: true, time_limit: 2s, grace: 200ms }
        """;

    private const int PerTurn = 40;   // records, calls and sockets for each agent

    private static TimeSpan Length => TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("TASKPIPELINE_FUZZ_SECONDS"), out var seconds) ? seconds : 20);

    [Fact]
    public async Task Nothing_that_anybody_writes_ends_a_process_or_loses_a_task()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("TASKPIPELINE_FUZZ_SEED"), out var given) ? given : Random.Shared.Next(1_000_000);
        output.WriteLine($"seed {seed}, {Length.TotalSeconds} s");
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2, lanes: Lanes, catalogue: Catalogue);
        await using var api = await ApiProgram.StartAsync(pipeline);
        var http = api.Http;

        using var end = new CancellationTokenSource(Length);
        var accepted = new List<string>();
        using var turns = new SemaphoreSlim(0);
        try
        {
            await Task.WhenAll(
                WriteRecordsAsync(pipeline, new FuzzedRecords(new Random(seed), pipeline.Topics), turns, end.Token),
                CallAsync(http, new FuzzedRecords(new Random(seed + 1), pipeline.Topics), accepted, turns, end.Token),
                SendMessagesAsync(http, new FuzzedRecords(new Random(seed + 2), pipeline.Topics), accepted, turns, end.Token),
                RunAgentsAsync(pipeline, http, new FuzzedRecords(new Random(seed + 3), pipeline.Topics), accepted, turns, end.Token));
        }
        catch (HttpRequestException exception)
        {
            Assert.Fail($"seed {seed}: {exception.Message}: {api.Process.Output}");
        }

        foreach (var id in accepted)
            await pipeline.UntilAsync($"task {id} of seed {seed} has ended", () => pipeline.States(id).Count > 0);
        Assert.All(accepted, id => Assert.Single(pipeline.States(id)));
        Assert.All(pipeline.Workers, worker => Assert.False(worker.HasExited, $"seed {seed}: {worker.Output}"));
        Assert.False(api.Process.HasExited, $"seed {seed}: {api.Process.Output}");
        foreach (var list in (string[])["tasks?limit=500", "dead-letters?resolved=all&limit=500", "workers", "queue", "readyz", "healthz", "task-types", .. accepted.TakeLast(100).Select(id => $"tasks/{id}")])
            Assert.True(await StatusOf(http, list) == HttpStatusCode.OK, $"seed {seed}: {list}");
        output.WriteLine($"{accepted.Count} tasks were accepted");
    }

    private static async Task<HttpStatusCode> StatusOf(HttpClient http, string path)
    {
        using var answer = await http.GetAsync(path, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private static async Task WriteRecordsAsync(TestPipeline pipeline, FuzzedRecords records, SemaphoreSlim turns, CancellationToken end)
    {
        using var producer = pipeline.Cluster.OrderedProducer();
        while (await IsOurTurnAsync(turns, end))
        {
            var record = records.Next();
            if (record.Value?.Length > MostRecordBytes)
                continue;
            try
            {
                await producer.ProduceAsync(new TopicPartition(record.Topic, record.Partition), new Message<byte[]?, byte[]?> { Key = record.Key, Value = record.Value }, CancellationToken.None);
            }
            catch (ProduceException<byte[]?, byte[]?>)
            {
                // Kafka itself does not take it: without a key into a topic that is compacted, for one.
            }
        }
    }

    private static async Task CallAsync(HttpClient http, FuzzedRecords bodies, List<string> accepted, SemaphoreSlim turns, CancellationToken end)
    {
        (string Path, string Body)[] calls =
        [
            ("tasks", """{"type":"say","project":"p","params":{"text":"hello"},"labels":{"a":"b"},"priority":"low"}"""),
            ("tasks", """{"type":"say","params":{"text":"hello"},"delay":"10ms","deadline":"1h","concurrency":{"key":"k","limit":3}}"""),
            ("tasks/ID/stop", """{"reason":"why","force":false}"""),
            ("tasks/ID/events", """{"name":"n","data":{"a":[1,2,{"b":"c"}]}}"""),
            ("tasks/ID/input", """{"text":"hello","close":false}"""),
            ("tasks/ID/replay", """{"params":{"text":"again"}}"""),
            ("dead-letters/redrive", """{"type":"say","rate":100,"limit":2}"""),
        ];
        for (var turn = 0; await IsOurTurnAsync(turns, end); turn++)
        {
            var (path, body) = calls[turn % calls.Length];
            using var content = new ByteArrayContent(bodies.Body(body));
            content.Headers.ContentType = new("application/json");
            using var answer = await http.PostAsync(path.Replace("ID", Any(accepted) ?? "nothing", StringComparison.Ordinal), content, CancellationToken.None);
            var text = await answer.Content.ReadAsStringAsync(CancellationToken.None);
            Assert.True((int)answer.StatusCode is < 500 or 503, $"{path}: {(int)answer.StatusCode} {text}");
            if (answer.StatusCode == HttpStatusCode.Accepted && JsonElement.Parse(text).TryGetProperty("task_id", out var id) && path is "tasks" or "tasks/ID/replay")
                Add(accepted, id.GetString()!);
        }
    }

    private static async Task SendMessagesAsync(HttpClient http, FuzzedRecords messages, List<string> accepted, SemaphoreSlim turns, CancellationToken end)
    {
        while (await IsOurTurnAsync(turns, end))
        {
            if (Any(accepted) is not { } id)
                continue;
            using var socket = new ClientWebSocket();
            try
            {
                await socket.ConnectAsync(new Uri(http.BaseAddress!.ToString().Replace("http", "ws", StringComparison.Ordinal) + $"tasks/{id}/watch"), CancellationToken.None);
                for (var i = 0; i < 5; i++)
                    await socket.SendAsync(messages.Body("""{"type":"input","request_id":"r","text":"hello"}"""), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
            }
            catch (WebSocketException)
            {
                // Refused, or closed with a code: that is an answer too.
            }
        }
    }

    private static async Task RunAgentsAsync(TestPipeline pipeline, HttpClient http, FuzzedRecords lines, List<string> accepted, SemaphoreSlim turns, CancellationToken end)
    {
        for (var turn = 0; !end.IsCancellationRequested; turn++)
        {
            var file = Path.Combine(pipeline.Folder, string.Create(CultureInfo.InvariantCulture, $"lines-{turn}"));
            await File.WriteAllBytesAsync(file, [.. Enumerable.Range(0, 20).SelectMany(_ => (byte[])[.. lines.Line(), (byte)'\n'])], CancellationToken.None);
            var body = turn % 5 == 4 ? """{"type":"heard"}""" : JsonSerializer.Serialize(new { type = turn % 2 == 0 ? "print" : "parsed", @params = new { file } });
            using var answer = await http.PostAsync("tasks", new StringContent(body, Encoding.UTF8, "application/json"), CancellationToken.None);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            var id = JsonElement.Parse(await answer.Content.ReadAsStringAsync(CancellationToken.None)).GetProperty("task_id").GetString()!;
            Add(accepted, id);
            turns.Release(PerTurn);
            await pipeline.UntilAsync($"task {id} has ended", () => pipeline.States(id).Count > 0);
        }
    }

    /// <summary>The others go on with each agent that has ended, so that no more waits than two workers run in time. False: it is over.</summary>
    private static async Task<bool> IsOurTurnAsync(SemaphoreSlim turns, CancellationToken end)
    {
        try
        {
            await turns.WaitAsync(end);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private static void Add(List<string> accepted, string id)
    {
        lock (accepted)
            if (!accepted.Contains(id))
                accepted.Add(id);
    }

    private static string? Any(List<string> accepted)
    {
        lock (accepted)
            return accepted.Count == 0 ? null : accepted[Random.Shared.Next(accepted.Count)];
    }
}

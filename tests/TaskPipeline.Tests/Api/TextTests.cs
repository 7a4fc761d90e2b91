using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>What is no text, wherever callers can send some: it is refused with its place, and nothing is lost by it.</summary>
public sealed class TextTests(TestBroker broker) : ApiTest(broker)
{
    private const string Deep = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";   // 33

    [Theory(Timeout = 60_000)]
    [InlineData("tasks", """{"type":"echo","params":{"text":"\ud800"}}""", "params.text", "surrogate", 34)]
    [InlineData("tasks", """{"type":"echo","params":{"text":"ÿ"}}""", "params.text", "UTF-8", 34)]
    [InlineData("tasks", """{"type":"echo","params":{"\udc00":"x"}}""", @"params.\udc00", "name", 27)]
    [InlineData("tasks", """{"type":"echo","params":{"text":"x"},"labels":{"a":"\ud800"}}""", "labels.a", "surrogate", 53)]
    [InlineData("tasks", """{"type":"\ud800"}""", "type", "surrogate", 10)]
    [InlineData("tasks", """{"type":"echo","task_id":"\ud800"}""", "task_id", "surrogate", 27)]
    [InlineData("tasks", """{"type":"echo","concurrency":{"key":"\ud800"}}""", "concurrency.key", "surrogate", 38)]
    [InlineData("tasks", """{"\ud800":"echo"}""", @"\ud800", "name", 3)]
    [InlineData("tasks", """{"type":"echo","params":{"text":DEEP}}""", "params.text[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]", "32 levels", 63)]
    [InlineData("tasks/ID/stop", """{"reason":"\ud800"}""", "reason", "surrogate", 12)]
    [InlineData("tasks/ID/emit", """{"name":"x","data":{"by":["ÿ"]}}""", "data.by[0]", "UTF-8", 28)]
    [InlineData("tasks/ID/input", """{"text":"\ud800"}""", "text", "surrogate", 10)]
    [InlineData("tasks/ID/replay", """{"params":{"text":"\ud800"}}""", "params.text", "surrogate", 20)]
    [InlineData("dead-letters/ID/redrive", """{"params":{"text":"\ud800"}}""", "params.text", "surrogate", 20)]
    [InlineData("dead-letters/redrive", """{"project":"\ud800"}""", "project", "surrogate", 13)]
    public async Task In_a_body_it_is_refused_with_its_field_and_its_place(string path, string latin1, string field, string reason, int at)
    {
        var task = await Api.SubmitAsync();
        using var content = new ByteArrayContent(Encoding.Latin1.GetBytes(latin1.Replace("DEEP", Deep, StringComparison.Ordinal)));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var answer = await Api.Http.PostAsync(new Uri(path.Replace("ID", task.TaskId, StringComparison.Ordinal), UriKind.Relative), content, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = JsonElement.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var (name, said) = problem.GetProperty("errors").EnumerateObject().Single() is var error ? (error.Name, error.Value[0].GetString()!) : default;
        Assert.Equal(field, name);
        Assert.Contains(reason, said, StringComparison.Ordinal);
        Assert.Contains($"(line 1, byte {at} of the body)", said, StringComparison.Ordinal);
        Assert.Contains($"{field} {said}", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    /// <summary>In addresses and headers it is text that nothing is called by, or is refused; never a failure of the API.</summary>
    [Theory(Timeout = 60_000)]
    [InlineData("GET /tasks/%ff", "", 404)]
    [InlineData("GET /tasks/%ED%A0%80", "", 404)]
    [InlineData("GET /tasks/ÿ", "", 0)]
    [InlineData("POST /tasks/%ED%A0%80/stop", "", 404)]
    [InlineData("GET /tasks?project=%ff&type=%ED%A0%80", "", 200)]
    [InlineData("GET /tasks?after=%ff", "", 400)]
    [InlineData("GET /tasks?status=%ED%A0%80", "", 400)]
    [InlineData("GET /tasks/ID?after=%ff", "", 400)]
    [InlineData("GET /tasks/ID/output?q=%ff", "", 200)]
    [InlineData("GET /tasks/ID/output?stream=%ED%A0%80", "", 400)]
    [InlineData("GET /tasks/ID/artifacts/1/%ED%A0%80", "", 404)]
    [InlineData("GET /tasks/ID/events?from=%ff", "", 400)]
    [InlineData("GET /tasks/ID/events?from=start", "Last-Event-ID: ÿ\r\n", 400)]
    [InlineData("GET /events?project=%ED%A0%80", "", 400)]
    [InlineData("GET /dead-letters?project=%ff&reason=%ED%A0%80", "", 400)]
    [InlineData("POST /files?name=%ff", "Content-Type: application/octet-stream\r\n", 400)]
    [InlineData("POST /files?name=%ED%A0%80", "Content-Type: application/octet-stream\r\n", 400)]
    [InlineData("POST /tasks/ID/stop", "Idempotency-Key: ÿ\r\n", 400)]
    [InlineData("POST /tasks/ID/stop", "Idempotency-Key: \u00ed\u00a0\u0080\r\n", 400)]
    [InlineData("POST /tasks/ID/stop", "Content-Type: ÿ\r\nContent-Length: 2\r\n", 0)]
    public async Task In_an_address_or_a_header_it_does_no_harm(string call, string headers, int expected)
    {
        var task = await Api.SubmitAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(Api.Address.Host, Api.Address.Port, TestContext.Current.CancellationToken);
        var length = headers.Contains("Content-Length", StringComparison.Ordinal) ? "" : "Content-Length: 0\r\n";
        var body = length.Length == 0 ? "{}" : "";
        await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes($"{call.Replace("ID", task.TaskId, StringComparison.Ordinal)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}{length}\r\n{body}"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream());
        var status = int.Parse((await reader.ReadToEndAsync(TestContext.Current.CancellationToken)).Split(' ')[1]);

        if (expected > 0)
            Assert.Equal(expected, status);
        else
            Assert.InRange(status, 400, 499);
    }

    [Fact(Timeout = 60_000)]
    public async Task In_a_message_on_a_socket_it_is_answered_and_the_stop_behind_it_counts()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);

        await watcher.SendAsync("""{"type":"stop","request_id":"\ud800"}""");
        Assert.Contains("request_id has half of a surrogate pair", (await watcher.UntilAsync("error")).GetProperty("detail").GetString(), StringComparison.Ordinal);
        await watcher.SendAsync("""{"type":"input","text":"\ud800","request_id":"r-2"}""");
        var refused = await watcher.UntilAsync("error");
        Assert.Equal(("r-2", 400), (refused.GetProperty("request_id").GetString(), refused.GetProperty("status").GetInt32()));
        Assert.Contains("text has half of a surrogate pair", refused.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("(byte 25 of the message)", refused.GetProperty("detail").GetString(), StringComparison.Ordinal);
        await watcher.SendAsync($$"""{"type":"stop","request_id":"r-3","why":{{Deep}}}""");
        Assert.Equal("r-3", (await watcher.UntilAsync("error")).GetProperty("request_id").GetString());
        await watcher.SendAsync("""{"type":"stop","request_id":"r-4"}""");
        Assert.Equal("r-4", (await watcher.UntilAsync("ack")).GetProperty("request_id").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_message_on_a_socket_that_is_not_UTF8_closes_it_with_1007_and_what_came_before_has_happened()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one");
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        await watcher.UntilAsync("caught_up");

        await watcher.SendAsync("STOP");
        await watcher.SendAsync([(byte)'S', 0xed, 0xa0, 0x80]);
        await watcher.ToTheEndAsync();

        Assert.Equal(WebSocketCloseStatus.InvalidPayloadData, watcher.CloseCode);
        Assert.Single(watcher.Events, told => WatchClient.TypeOf(told) == "ack");
        Assert.Equal("stopping", (await Api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("status").GetString());
        await using var again = await WatchClient.WatchAsync(Api, task, $"from={watcher.Cursor}");
        await attempt.ExitAsync(exitCode: null, EndReason.UserRequest);
        await attempt.EndAsync();
        await again.ToTheEndAsync();
        Assert.Equal("end", WatchClient.TypeOf(again.Events[^1]));
    }

    [Fact(Timeout = 60_000)]
    public async Task In_a_call_of_the_hub_it_is_refused_and_the_connection_stays()
    {
        var task = await Api.SubmitAsync();
        await using var client = JavaScriptClient.Start("hub.mjs", $"{Api.Address}hubs/tasks", "WebSockets");
        await client.NextAsync("started");

        await client.SendAsync($$"""call Input ["{{task.TaskId}}",{"text":"\ud800"}]""");
        Assert.Contains("400: text has half of a surrogate pair", (await client.NextAsync("error")).GetString(), StringComparison.Ordinal);
        await client.SendAsync($$"""call Input ["{{task.TaskId}}",{"\ud800":1}]""");
        Assert.Contains(@"400: \ud800 is a name that has half of a surrogate pair", (await client.NextAsync("error")).GetString(), StringComparison.Ordinal);
        await client.SendAsync("""call Stop ["\ud800"]""");
        await client.NextAsync("error");
        await client.SendAsync("""call Subscribe ["project:\ud800"]""");
        await client.NextAsync("error");
        await client.SendAsync($$"""watch-from {{task.TaskId}} {"from":"\ud800"}""");
        await client.NextAsync("error");
        await client.SendAsync($"stop {task.TaskId}");
        Assert.Equal("stopping", (await client.NextAsync("result")).GetProperty("status").GetString());
        Assert.Empty(client.All("closed"));
    }

    [Fact(Timeout = 60_000)]
    public async Task What_one_agent_says_in_many_levels_spoils_no_list()
    {
        var deep = JsonElement.Parse($"{new string('[', 60)}1{new string(']', 60)}");
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.NoteAsync(AgentEventName.Progress, deep);
        attempt.Result = deep;
        await attempt.PrintAsync("behind it");
        await Api.UntilAsync(task.TaskId, "the lines behind it are known", detail => detail.GetProperty("lines").GetInt32() == 1);
        await CheckAsync();
        await attempt.DieAsync(new TaskSubmission { TaskId = task.TaskId, Type = "echo", Params = new() { ["text"] = JsonElement.Parse($"{new string('[', 58)}1{new string(']', 58)}") } });
        await Eventually.TrueAsync("it has ended", async () => (await Api.GetAsync($"tasks/{task.TaskId}")).Body.TryGetProperty("ended_at", out _), TimeSpan.FromSeconds(30));
        await CheckAsync();

        async Task CheckAsync()
        {
            foreach (var path in new[] { "tasks", $"tasks/{task.TaskId}", "dead-letters", "dead-letters?resolved=all", "workers", "queue" })
                using (var answer = await Api.Http.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken))
                    Assert.Equal((path, HttpStatusCode.OK), (path, answer.StatusCode));
        }
    }
}

using System.Net;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>What is sent to an agent that runs, from the API to its stdin.</summary>
public sealed class InputTests(TestBroker broker)
{
    private const int Timeout = 90_000;
    private const string Catalogue = """
        types:
          asks:   { executable: sh, arguments: [-c, 'echo "name?"; while read -r line; do echo "got $line"; done; echo bye'], input: true, grace: 1s }
          late:   { executable: sh, arguments: [-c, 'echo "name?"; while [ ! -e "$1" ]; do sleep 0.05; done; wc -c', sh], input: true, params: { file: { positional: true, required: true } }, grace: 1s }
          typed:  { executable: sh, arguments: [-c, 'read -r line; echo "got $line"; cat; echo bye'], input: true, terminal: true, grace: 1s }
          deaf:   { executable: sh, arguments: [-c, 'exec <&-; echo closed; while :; do sleep 1; done'], input: true, grace: 1s }
          twice:  { executable: sh, arguments: [-c, 'echo "$TASK_ATTEMPT?"; read -r line; echo "got $line"; [ "$TASK_ATTEMPT" = 2 ]'], input: true, retry: { attempts: 2, backoff: { first: 100ms } } }
          silent: { executable: sleep, arguments: ['1000'], grace: 1s }
        """;

    [Fact(Timeout = Timeout)]
    public async Task Lines_come_to_the_agent_in_order_and_stand_in_the_timeline()
    {
        await using var scene = await Scene.StartAsync(broker);
        var task = await scene.StartAsync("asks");
        await using var viewer = await WatchClient.ConnectAsync(scene.Api, $"/tasks/{task}/watch");
        for (var i = 0; i < 20; i++)
            Assert.Equal(HttpStatusCode.Accepted, (await scene.SendAsync(task, new { text = $"line {i}" })).Status);
        var (_, last) = await scene.SendAsync(task, new { text = "last", close = true });
        Assert.Equal((task, 1), (last.GetProperty("task_id").GetString(), last.GetProperty("attempt").GetInt32()));
        await viewer.ToTheEndAsync();
        Assert.Equal(["name?", .. Enumerable.Range(0, 20).Select(i => $"got line {i}"), "got last", "bye"], viewer.Texts);
        var inputs = viewer.Events.Where(told => WatchClient.TypeOf(told) == "input").ToList();
        Assert.Equal([.. Enumerable.Range(0, 20).Select(i => $"line {i}"), "last"], inputs.Select(input => input.GetProperty("text").GetString()));
        Assert.Equal(last.GetProperty("input_id").GetString(), inputs[^1].GetProperty("input_id").GetString());
        Assert.True(inputs[^1].GetProperty("close").GetBoolean());
        Assert.Equal("http", inputs[0].GetProperty("requested_by").GetString());
    }

    [Fact(Timeout = Timeout)]
    public async Task A_socket_writes_too_and_is_told_what_is_wrong()
    {
        await using var scene = await Scene.StartAsync(broker);
        var task = await scene.StartAsync("asks");
        await using var viewer = await WatchClient.ConnectAsync(scene.Api, $"/tasks/{task}/watch");
        await viewer.SendAsync("""{"type":"input","request_id":"1"}""");
        Assert.Contains("text", (await viewer.UntilAsync("error")).GetProperty("detail").GetString(), StringComparison.Ordinal);
        await viewer.SendAsync("""{"type":"input","text":"Ada","close":true,"request_id":"2"}""");
        Assert.Equal("2", (await viewer.UntilAsync("ack")).GetProperty("request_id").GetString());
        await viewer.ToTheEndAsync();
        Assert.Equal(["name?", "got Ada", "bye"], viewer.Texts);
        Assert.Equal("websocket", viewer.Events.Single(told => WatchClient.TypeOf(told) == "input").GetProperty("requested_by").GetString());
    }

    [Fact(Timeout = Timeout)]
    public async Task What_cannot_be_written_is_refused_with_the_reason()
    {
        await using var scene = await Scene.StartAsync(broker);
        var silent = await scene.StartAsync("silent", isTold: false);
        var (status, problem) = await scene.SendAsync(silent, new { text = "hello" });
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("input: true", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        var queued = await scene.Pipeline.SubmitAsync("asks");   // the only worker is busy
        await Eventually.TrueAsync("the API knows it", async () => (await scene.Api.GetAsync($"tasks/{queued}")).Status == HttpStatusCode.OK, TestPipeline.MaxWait);
        (status, problem) = await scene.SendAsync(queued, new { text = "hello" });
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("queued", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        foreach (var wrong in new object[] { new { }, new { text = 1 }, new { text = new string('x', 4000) }, new { text = "a\0b" }, new { close = "yes" }, new { text = "a", other = 1 } })
            Assert.Equal(HttpStatusCode.BadRequest, (await scene.SendAsync(queued, wrong)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await scene.SendAsync("nobody", new { text = "hello" })).Status);

        await scene.Pipeline.StopAsync(silent);
        await scene.Pipeline.LineAsync(queued, "name?");
        await scene.Pipeline.StopAsync(queued);
        await scene.Pipeline.EndOfAsync(queued);
        await Eventually.TrueAsync("the API knows of the end", async () => (await scene.SendAsync(queued, new { text = "hello" })).Body.GetProperty("detail").GetString()!.Contains("stopped", StringComparison.Ordinal), TestPipeline.MaxWait);
    }

    [Fact(Timeout = Timeout)]
    public async Task With_a_key_a_line_is_written_once()
    {
        await using var scene = await Scene.StartAsync(broker);
        var task = await scene.StartAsync("asks");
        var first = await scene.SendAsync(task, new { text = "once" }, key: "k");
        var again = await scene.SendAsync(task, new { text = "once" }, key: "k");
        Assert.Equal(first.Body.GetProperty("input_id").GetString(), again.Body.GetProperty("input_id").GetString());
        Assert.Equal(HttpStatusCode.Conflict, (await scene.SendAsync(task, new { text = "other" }, key: "k")).Status);
        await scene.SendAsync(task, new { close = true });
        await scene.Pipeline.EndOfAsync(task);
        Assert.Equal(["name?", "got once", "bye"], (await scene.Pipeline.LinesAsync(task)).Select(line => line.Text));
    }

    [Fact(Timeout = Timeout)]
    public async Task What_the_agent_does_not_read_yet_waits()
    {
        const int Inputs = 300;   // together more than a pipe holds, and more than are taken from Kafka at once
        await using var scene = await Scene.StartAsync(broker);
        var gate = Path.Combine(scene.Pipeline.Folder, "gate");
        var task = await scene.StartAsync("late", new { file = gate });
        foreach (var some in Enumerable.Range(0, Inputs).Chunk(50))
            Assert.All(await Task.WhenAll(some.Select(_ => scene.SendAsync(task, new { text = new string('x', 2999) }))), answer => Assert.Equal(HttpStatusCode.Accepted, answer.Status));
        await scene.SendAsync(task, new { close = true });
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        Assert.Equal(Status.Succeeded, (await scene.Pipeline.EndOfAsync(task)).Status);
        Assert.Equal((Inputs * 3000).ToString(), (await scene.Pipeline.LinesAsync(task))[^1].Text);
        Assert.Equal(Inputs + 1, scene.Pipeline.Progress(task).OfType<AttemptInput>().Count(input => !input.Refused));
    }

    [Fact(Timeout = Timeout)]
    public async Task On_a_terminal_it_comes_as_if_it_was_typed()
    {
        await using var scene = await Scene.StartAsync(broker);
        var task = await scene.StartAsync("typed", isTold: false);
        await scene.SendAsync(task, new { text = "Ada" });
        await scene.Pipeline.LineAsync(task, "got Ada");
        await scene.SendAsync(task, new { text = "more", close = true });
        Assert.Equal(Status.Succeeded, (await scene.Pipeline.EndOfAsync(task)).Status);
        var lines = (await scene.Pipeline.LinesAsync(task)).Select(line => line.Text).ToList();
        Assert.Equal(["Ada", "got Ada"], lines[..2]);   // a terminal shows what is typed
        Assert.Equal("bye", lines[^1]);
        Assert.Contains("more", lines);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_has_closed_its_stdin_gets_nothing_and_the_log_says_so()
    {
        await using var scene = await Scene.StartAsync(broker);
        var task = await scene.StartAsync("deaf");
        await scene.SendAsync(task, new { text = "hello" });
        Assert.True((await scene.Pipeline.RecordAsync<AttemptInput>(task)).Refused);
        await scene.Pipeline.StopAsync(task);
        Assert.Equal(Status.Stopped, (await scene.Pipeline.EndOfAsync(task)).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_second_attempt_begins_without_what_was_sent_to_the_first()
    {
        await using var scene = await Scene.StartAsync(broker);
        var task = await scene.StartAsync("twice");
        await scene.SendAsync(task, new { text = "one" });
        await scene.Pipeline.LineAsync(task, "2?", attempt: 2);
        await Eventually.TrueAsync("the API knows of the second attempt", async () => (await scene.Api.GetAsync($"tasks/{task}")).Body.GetProperty("attempt").GetInt32() == 2, TestPipeline.MaxWait);
        await scene.SendAsync(task, new { text = "two" });
        Assert.Equal((Status.Succeeded, 2), await scene.Pipeline.EndOfAsync(task) is var end ? (end.Status, end.Attempt) : default);
        Assert.Equal(["1?", "got one"], (await scene.Pipeline.LinesAsync(task)).Select(line => line.Text));
        Assert.Equal(["2?", "got two"], (await scene.Pipeline.LinesAsync(task, attempt: 2)).Select(line => line.Text));
    }

    /// <summary>A pipeline with one worker and one API.</summary>
    private sealed class Scene(TestPipeline pipeline, ApiUnderTest api) : IAsyncDisposable
    {
        public TestPipeline Pipeline => pipeline;
        public ApiUnderTest Api => api;

        public static async Task<Scene> StartAsync(TestBroker broker)
        {
            var pipeline = await TestPipeline.StartAsync(broker, lanes: 2, catalogue: Catalogue);
            return new Scene(pipeline, await ApiUnderTest.StartAsync(broker, pipeline.Prefix, "--Kafka:Partitions=2", $"--Catalogue:File={pipeline.CatalogueFile}"));
        }

        /// <summary>Comes back when the API knows that it runs.</summary>
        public async Task<string> StartAsync(string type, object? parameters = null, bool isTold = true)
        {
            var task = await pipeline.SubmitAsync(type, parameters);
            await Eventually.TrueAsync("the API knows that it runs", async () =>
                await api.GetAsync($"tasks/{task}") is (HttpStatusCode.OK, var view) && view.GetProperty("status").GetString() is "running" or "retry_waiting", TestPipeline.MaxWait);
            if (isTold)
                await pipeline.UntilAsync("the agent has said something", () => pipeline.Progress(task).OfType<OutputLines>().Any());
            return task;
        }

        public Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(string task, object input, string? key = null) =>
            api.PostAsync($"tasks/{task}/input", input, key);

        public async ValueTask DisposeAsync()
        {
            await api.DisposeAsync();
            await pipeline.DisposeAsync();
        }
    }
}

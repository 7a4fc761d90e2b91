using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>The SignalR hub, with the client that web pages have.</summary>
public sealed class HubTests(TestBroker broker) : ApiTest(broker)
{
    [Theory(Timeout = 60_000)]
    [InlineData("WebSockets")]
    [InlineData("ServerSentEvents")]
    [InlineData("LongPolling")]
    public async Task A_stream_of_the_hub_has_the_same_events_and_ends_after_the_end(string transport)
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one", "zwei – 2");
        await using var client = await ConnectAsync(transport);
        await client.SendAsync($"watch {task.TaskId}");
        while ((await client.NextAsync("event")).GetProperty("type").GetString() != "lines")
        {
        }
        await attempt.PrintAsync("three");
        await attempt.FinishAsync();
        await client.NextAsync("complete");

        var events = client.All("event").ToList();
        Assert.Equal("hello", WatchClient.TypeOf(events[0]));
        Assert.Equal("end", WatchClient.TypeOf(events[^1]));
        Assert.Equal(["one", "zwei – 2", "three"], events.Where(told => WatchClient.TypeOf(told) == "lines").SelectMany(told => told.GetProperty("lines").EnumerateArray()).Select(line => line.GetProperty("text").GetString()));

        await using var socket = await WatchClient.WatchAsync(Api, task);
        await socket.ToTheEndAsync();
        Assert.Equal(socket.Events[^1].ToString(), events[^1].ToString());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stream_may_begin_at_a_cursor()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        await using var client = await ConnectAsync();
        await client.SendAsync($$"""watch-from {{task.TaskId}} {"from":"1.1.2","stream":"stdout"}""");
        await client.NextAsync("complete");

        Assert.Equal(["two"], client.All("event").Where(told => WatchClient.TypeOf(told) == "lines").SelectMany(told => told.GetProperty("lines").EnumerateArray()).Select(line => line.GetProperty("text").GetString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task Emitted_events_are_told_on_the_hub_too_and_once_to_who_comes_back()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        foreach (var name in new[] { "first", "second" })
            Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/emit", new { name })).Status);
        await attempt.FinishAsync();
        await using var client = await ConnectAsync();
        await client.SendAsync($"watch {task.TaskId}");
        await client.NextAsync("complete");
        var told = client.All("event").Where(told => WatchClient.TypeOf(told) == "event").ToList();
        Assert.Equal(["first", "second"], told.Select(emitted => emitted.GetProperty("name").GetString()));

        await using var returning = await ConnectAsync();
        await returning.SendAsync($$"""watch-from {{task.TaskId}} {"from":"{{told[0].GetProperty("cursor").GetString()}}"}""");
        await returning.NextAsync("complete");
        Assert.Equal(["second"], returning.All("event").Where(told => WatchClient.TypeOf(told) == "event").Select(emitted => emitted.GetProperty("name").GetString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_task_is_stopped_through_the_hub_and_refusals_say_why()
    {
        var task = await Api.SubmitAsync();
        await using var client = await ConnectAsync();
        await client.SendAsync($"stop {task.TaskId}");
        Assert.Equal("stopping", (await client.NextAsync("result")).GetProperty("status").GetString());
        await Api.UntilAsync(task.TaskId, "the stop was read", state => state.GetProperty("status").GetString() == "stopping");

        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.ExitAsync(exitCode: null, EndReason.UserRequest);
        await attempt.EndAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "stopped");
        await client.SendAsync($"stop {task.TaskId}");
        Assert.Contains("409: ", (await client.NextAsync("error")).GetString(), StringComparison.Ordinal);
        await client.SendAsync("watch nobody");
        Assert.Contains("404: ", (await client.NextAsync("error")).GetString(), StringComparison.Ordinal);
        await client.SendAsync($$"""watch-from {{task.TaskId}} {"from":"yesterday"}""");
        Assert.Contains("400: ", (await client.NextAsync("error")).GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task State_events_go_to_those_who_subscribed_to_the_task_its_project_or_all()
    {
        var shop = await Api.SubmitAsync(project: "shop");
        var other = await Api.SubmitAsync(project: "other");
        await using var all = await SubscribeAsync("all");
        await using var project = await SubscribeAsync("project:shop");
        await using var one = await SubscribeAsync($"task:{other.TaskId}");

        foreach (var task in new[] { shop, other })
        {
            using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
            await attempt.PrintAsync("a line is no state");
            await attempt.FinishAsync();
        }

        Assert.Equal([(shop.TaskId, "starting"), (shop.TaskId, "running"), (shop.TaskId, "succeeded")], await StatesAsync(project, 3));
        Assert.Equal([(other.TaskId, "starting"), (other.TaskId, "running"), (other.TaskId, "succeeded")], await StatesAsync(one, 3));
        Assert.Equal(6, (await StatesAsync(all, 6)).Count);
    }

    [Fact(Timeout = 60_000)]
    public async Task Subscribers_are_told_of_progress_and_of_nothing_else_that_agents_say()
    {
        var task = await Api.SubmitAsync();
        await using var all = await SubscribeAsync("all");
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.NoteAsync(AgentEventName.Warning, new { message = "odd" });
        await attempt.NoteAsync(AgentEventName.Progress, new { percent = 40 });
        await attempt.FinishAsync();

        await StatesAsync(all, 2);
        var progress = await all.NextAsync("state");
        Assert.Equal(("progress", 40), (WatchClient.TypeOf(progress), progress.GetProperty("data").GetProperty("percent").GetInt32()));
        Assert.Equal((task.TaskId, "succeeded"), Assert.Single(await StatesAsync(all, 1)));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_subscriber_that_takes_nothing_delays_no_other()
    {
        const int Events = 3000;
        using var stalled = new ClientWebSocket();
        await stalled.ConnectAsync(new Uri($"ws://{Api.Address.Authority}/hubs/tasks"), TestContext.Current.CancellationToken);
        await SendAsync("""{"protocol":"json","version":1}""");
        await SendAsync("""{"type":1,"invocationId":"1","target":"Subscribe","arguments":["all"]}""");
        await using var client = await SubscribeAsync("all");
        var task = await Api.SubmitAsync();
        await (await Worker.ClaimAsync(task.Lane)).StartManyAsync(task, Events);

        Assert.Equal(Events + 1, (await StatesAsync(client, Events + 1)).Count);   // with `queued`
        stalled.Abort();

        Task SendAsync(string message) => stalled.SendAsync(Encoding.UTF8.GetBytes(message + '\u001e'), WebSocketMessageType.Text, endOfMessage: true, TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_group_that_there_is_not_is_refused()
    {
        await using var client = await ConnectAsync();
        await client.SendAsync("subscribe everything");
        Assert.Contains("400: ", (await client.NextAsync("error")).GetString(), StringComparison.Ordinal);
    }

    private async Task<JavaScriptClient> ConnectAsync(string transport = "WebSockets")
    {
        var client = JavaScriptClient.Start("hub.mjs", $"{Api.Address}hubs/tasks", transport);
        await client.NextAsync("started");
        return client;
    }

    private async Task<JavaScriptClient> SubscribeAsync(string group)
    {
        var client = await ConnectAsync();
        await client.SendAsync($"subscribe {group}");
        await client.NextAsync("result");
        return client;
    }

    private static async Task<List<(string?, string?)>> StatesAsync(JavaScriptClient client, int count)
    {
        List<(string?, string?)> states = [];
        while (states.Count < count)
        {
            JsonElement told = await client.NextAsync("state");
            states.Add((told.GetProperty("task_id").GetString(), told.GetProperty("status").GetString()));
        }
        return states;
    }
}

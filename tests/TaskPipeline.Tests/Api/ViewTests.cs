using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>How all tasks stand, or those of a project, over a WebSocket and as server-sent events. The hub's groups tell the same.</summary>
public sealed class ViewTests(TestBroker broker) : ApiTest(broker)
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task A_socket_tells_of_the_states_progress_and_ends_of_all_tasks_or_of_a_project()
    {
        await using var all = await WatchClient.ConnectAsync(Api, "/watch");
        await using var shop = await WatchClient.ConnectAsync(Api, "/watch?project=shop");
        Assert.Equal("hello", WatchClient.TypeOf((await all.NextAsync())!.Value));
        Assert.Equal("shop", (await shop.NextAsync())!.Value.GetProperty("project").GetString());

        var tasks = new[] { await Api.SubmitAsync(project: "shop"), await Api.SubmitAsync(project: "other") };
        foreach (var task in tasks)
            await RunAsync(task);

        foreach (var (viewer, told) in new[] { (all, tasks), (shop, tasks[..1]) })
        {
            foreach (var task in told)
                await viewer.UntilAsync("end", end => end.GetProperty("task_id").GetString() == task.TaskId);
            foreach (var task in told)
                Assert.Equal(["queued", "starting", "running", "progress", "succeeded"], viewer.Events.Where(one => IsOf(one, task)).Select(Said));
            Assert.All(viewer.Events.Skip(1), one => Assert.Contains(told, task => IsOf(one, task)));
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task Who_comes_back_to_the_same_replica_has_missed_nothing()
    {
        await using var before = await EventStreamClient.OpenAsync(Api, "events?project=shop");
        var hello = (await before.NextAsync())!.Value;
        var task = await Api.SubmitAsync(project: "shop");
        var queued = (await before.NextAsync())!.Value;
        await before.DisposeAsync();
        await RunAsync(task);

        await using var fromQueued = await EventStreamClient.OpenAsync(Api, "events?project=shop", lastEventId: queued.Id);
        await using var fromHello = await EventStreamClient.OpenAsync(Api, $"events?project=shop&from={hello.Id}");
        Assert.Equal(["starting", "running", "progress", "succeeded"], await NextAsync(fromQueued, 4));
        Assert.Equal(["queued", "starting", "running", "progress", "succeeded"], await NextAsync(fromHello, 5));
    }

    [Fact(Timeout = Timeout)]
    public async Task Who_cannot_be_told_everything_is_told_that()
    {
        const int Events = 9000;
        await using var first = await EventStreamClient.OpenAsync(Api, "events");
        var hello = (await first.NextAsync())!.Value;
        await first.DisposeAsync();
        var task = await Api.SubmitAsync();
        await using (var viewer = await WatchClient.ConnectAsync(Api, "/watch"))
        {
            await (await Worker.ClaimAsync(task.Lane)).StartManyAsync(task, Events);
            await viewer.UntilAsync("state", state => state.GetProperty("attempt").GetInt32() == Events);
        }

        await using var late = await EventStreamClient.OpenAsync(Api, "events", lastEventId: hello.Id);
        var missed = JsonElement.Parse((await late.NextAsync())!.Value.Data);
        Assert.Equal("missed", WatchClient.TypeOf(missed));
        var next = JsonElement.Parse((await late.NextAsync())!.Value.Data);
        Assert.Equal(missed.GetProperty("count").GetInt64(), next.GetProperty("attempt").GetInt64());   // `queued` came before the first attempt

        await using var elsewhere = await EventStreamClient.OpenAsync(Api, "events", lastEventId: "0123456789ab.17");
        var unknown = JsonElement.Parse((await elsewhere.NextAsync())!.Value.Data);
        Assert.Equal("missed", WatchClient.TypeOf(unknown));
        Assert.False(unknown.TryGetProperty("count", out _));
    }

    [Fact(Timeout = Timeout)]
    public async Task It_takes_no_commands_and_refuses_what_is_no_project()
    {
        await using var viewer = await WatchClient.ConnectAsync(Api, "/watch");
        await viewer.SendAsync("STOP");
        Assert.Contains("/tasks/{id}/watch", (await viewer.UntilAsync("error")).GetProperty("detail").GetString(), StringComparison.Ordinal);

        await using var refused = await WatchClient.ConnectAsync(Api, "/watch?project=no/project");
        await refused.ToTheEndAsync();
        Assert.Equal((WebSocketCloseStatus)4505, refused.CloseCode);
        Assert.Contains("project", refused.CloseReason, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await Api.GetAsync("events?project=no/project")).Status);
        Assert.Equal(HttpStatusCode.UpgradeRequired, (await Api.GetAsync("watch")).Status);
    }

    private async Task RunAsync(Submitted task)
    {
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("a line is no state");
        await attempt.NoteAsync(AgentEventName.Warning, new { message = "odd" });
        await attempt.NoteAsync(AgentEventName.Progress, new { percent = 40 });
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
    }

    private static async Task<List<string>> NextAsync(EventStreamClient viewer, int count)
    {
        List<string> said = [];
        while (said.Count < count)
            said.Add(Said(JsonElement.Parse((await viewer.NextAsync())!.Value.Data)));
        return said;
    }

    private static bool IsOf(JsonElement told, Submitted task) => told.TryGetProperty("task_id", out var id) && id.GetString() == task.TaskId;

    private static string Said(JsonElement told) => told.TryGetProperty("status", out var status) ? status.GetString()! : WatchClient.TypeOf(told);
}

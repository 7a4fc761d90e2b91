using System.Text.Json;
using System.Text.Json.Nodes;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using Xunit;

namespace TaskPipeline.Tests.Docs;

/// <summary>The AsyncAPI document says of everything that is watched what it looks like.</summary>
public sealed class AsyncApiTests(TestBroker broker) : ApiTest(broker)
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task Its_examples_are_messages_of_their_own_schema_and_of_no_other()
    {
        var (document, schemas) = await OpenAsync();
        await using var _ = schemas;
        foreach (var message in document.GetProperty("components").GetProperty("messages").EnumerateObject())
            foreach (var example in message.Value.GetProperty("examples").EnumerateArray())
                Assert.Equal(message.Name, await MessageOfAsync(schemas, ChannelOf(document, message.Name), example.GetProperty("payload")));
    }

    [Fact(Timeout = Timeout)]
    public async Task Its_channels_are_routes_of_the_API()
    {
        var document = (await Api.GetAsync("asyncapi/v1.json")).Body;
        var routes = (await Api.GetAsync("openapi/v1.json")).Body.GetProperty("paths").EnumerateObject().Select(path => path.Name.Replace("{id}", "{task_id}", StringComparison.Ordinal)).ToHashSet();
        Assert.All(document.GetProperty("channels").EnumerateObject(), channel => Assert.Contains(channel.Value.GetProperty("address").GetString()!, routes));
    }

    [Fact(Timeout = Timeout)]
    public async Task The_events_that_the_protocols_page_shows_are_described()
    {
        var (document, schemas) = await OpenAsync();
        await using var _ = schemas;
        var page = await File.ReadAllLinesAsync(Path.Combine(BuildOutput.Repository, "docs", "protocol.md"), TestContext.Current.CancellationToken);
        var shown = page.Index().Where(line => line.Item is "```json event" or "```json agent event" or "```json view event").Select(line => (Channel: line.Item.Contains("view") ? "watchAll" : "watch", Event: page[line.Index + 1])).ToList();
        Assert.NotEmpty(shown);
        foreach (var (channel, told) in shown)
            await MessageOfAsync(schemas, channel, JsonElement.Parse(told));
    }

    [Fact(Timeout = Timeout)]
    public async Task Everything_that_watchers_are_told_is_described_field_by_field()
    {
        var (_, schemas) = await OpenAsync();
        await using var __ = schemas;
        await using var view = await WatchClient.ConnectAsync(Api, "/watch?project=shop");
        await view.UntilAsync("hello");
        var task = await Api.SubmitAsync(project: "shop");
        await using var viewer = await WatchClient.WatchAsync(Api, task);
        await viewer.UntilAsync("caught_up");
        await viewer.SendAsync("dance");
        var claim = await Worker.ClaimAsync(task.Lane);
        using var first = await claim.StartAsync(task);
        await first.PrintAsync("one");
        await first.ExitAsync(exitCode: 75);
        await claim.LetWaitAsync(task, first, Status.RetryWaiting, DateTimeOffset.UtcNow);
        await Api.UntilAsync(task.TaskId, "it is in its queue again", state => state.TryGetProperty("queue_position", out _));
        using var second = await claim.StartAsync(task, attempt: 2);
        await second.PrintAsync("one", "zwei – 2 𝄞", new string('x', 40_000));
        await second.PrintAsync(OutputStream.Stderr, "three");
        foreach (var name in Enum.GetValues<AgentEventName>())
            await second.NoteAsync(name, new { percent = 40, step = "Importing" });
        await second.LeaveOutAsync(5);
        await Api.PostAsync($"tasks/{task.TaskId}/emit", new { name = "approved", data = new { by = "Ada" } });
        await second.PrintAsync(OutputStream.System, "eleven");
        await viewer.SendAsync("""{"type":"stop","request_id":"7"}""");
        await viewer.UntilAsync("ack");
        await second.ExitAsync();
        await second.EndAsync(first.Summary());
        await viewer.ToTheEndAsync();
        await view.UntilAsync("end");

        HashSet<string> told = [];
        foreach (var (channel, events) in new[] { ("watch", viewer.Events), ("watchAll", view.Events) })
            foreach (var one in events)
                told.Add($"{channel} {await MessageOfAsync(schemas, channel, one)}");
        Assert.Equal(
            [
                "watch ack", "watch agentEvent", "watch caughtUp", "watch end", "watch error", "watch event", "watch exited", "watch gap", "watch hello", "watch lines", "watch state",
                "watchAll agentEvent", "watchAll end", "watchAll state", "watchAll viewHello",
            ],
            told.Order(StringComparer.Ordinal));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_field_that_is_not_described_or_of_another_type_is_noticed()
    {
        var (document, schemas) = await OpenAsync();
        await using var _ = schemas;
        var gap = document.GetProperty("components").GetProperty("messages").GetProperty("gap").GetProperty("examples")[0].GetProperty("payload");
        foreach (var (name, value) in new (string, JsonNode?)[] { ("why", "nobody knows"), ("from", "one"), ("reason", "lost"), ("cursor", null) })
        {
            var changed = JsonNode.Parse(gap.GetRawText())!.AsObject();
            changed[name] = value;
            Assert.Empty(await FittingAsync(schemas, "watch", changed));
        }
    }

    private async Task<(JsonElement Document, JavaScriptClient Schemas)> OpenAsync()
    {
        var document = (await Api.GetAsync("asyncapi/v1.json")).Body;
        var schemas = JavaScriptClient.Start("schemas.mjs");
        await schemas.SendAsync(JsonSerializer.Serialize(document));
        await schemas.NextAsync("channels");
        return (document, schemas);
    }

    private static string ChannelOf(JsonElement document, string message) =>
        document.GetProperty("channels").EnumerateObject().First(channel => channel.Value.GetProperty("messages").TryGetProperty(message, out _)).Name;

    /// <summary>The one message of a channel that this is.</summary>
    private static async Task<string> MessageOfAsync(JavaScriptClient schemas, string channel, JsonElement value) =>
        Assert.Single(await FittingAsync(schemas, channel, JsonNode.Parse(value.GetRawText())));

    private static async Task<List<string>> FittingAsync(JavaScriptClient schemas, string channel, JsonNode? value)
    {
        await schemas.SendAsync(new JsonObject { ["channel"] = channel, ["value"] = value }.ToJsonString());
        return [.. (await schemas.NextAsync("fits")).EnumerateArray().Select(message => message.GetString()!)];
    }
}

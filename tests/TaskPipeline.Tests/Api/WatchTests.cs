using System.Net.WebSockets;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class WatchTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_watcher_is_told_everything_in_order_and_closed_after_the_end()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.ConnectAsync(Api, task.Link("watch"));
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await attempt.PrintAsync(OutputStream.Stderr, "three");
        await attempt.FinishAsync();

        await watcher.ToTheEndAsync();

        Assert.Equal(["one", "two", "three"], watcher.Texts);
        Assert.Equal(["queued", "starting", "running"], States(watcher));
        Assert.Equal("hello", WatchClient.TypeOf(watcher.Events[0]));
        Assert.Single(watcher.Events, told => WatchClient.TypeOf(told) == "caught_up");
        var end = watcher.Events[^1];
        Assert.Equal("end", WatchClient.TypeOf(end));
        Assert.Equal("succeeded", end.GetProperty("status").GetString());
        Assert.Equal(0, end.GetProperty("exit_code").GetInt32());
        Assert.Equal(3, end.GetProperty("lines").GetInt64());
        Assert.Equal(attempt.Hash, end.GetProperty("hash").GetString());
        Assert.Equal(HashOf(watcher.Lines), end.GetProperty("hash").GetString());
        Assert.Equal(WebSocketCloseStatus.NormalClosure, watcher.CloseCode);
    }

    private static IEnumerable<string> States(WatchClient watcher) =>
        watcher.Events.Where(told => WatchClient.TypeOf(told) == "state").Select(told => told.GetProperty("status").GetString()!);

    private static string HashOf(IEnumerable<JsonElement> lines)
    {
        using var hash = new OutputHash();
        foreach (var line in lines)
            hash.Add(new OutputLine(line.GetProperty("seq").GetInt64(), Enum.Parse<OutputStream>(line.GetProperty("stream").GetString()!, ignoreCase: true), line.GetProperty("text").GetString()!, default));
        return hash.ToString();
    }
}

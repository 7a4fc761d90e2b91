using System.Net;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class PauseTests(TestBroker broker)
{
    private const int Timeout = 90_000;

    [Fact(Timeout = Timeout)]
    public async Task A_running_task_is_paused_and_resumed_over_HTTP_and_its_timeline_says_so()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 4);
        await using var api = await ApiUnderTest.StartAsync(broker, pipeline.Prefix, $"--Catalogue:File={pipeline.CatalogueFile}");
        var id = await pipeline.SubmitAsync("silent");
        await Eventually.TrueAsync("the API knows that it runs", async () => (await api.GetAsync($"tasks/{id}")) is (HttpStatusCode.OK, var task) && task.GetProperty("status").GetString() == "running", TestPipeline.MaxWait);
        Assert.Equal(HttpStatusCode.Conflict, (await api.PostAsync($"tasks/{id}/resume", null)).Status);

        await using var viewer = await WatchClient.ConnectAsync(api, $"/tasks/{id}/watch");
        Assert.Equal(HttpStatusCode.Accepted, (await api.PostAsync($"tasks/{id}/pause", null)).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await api.PostAsync($"tasks/{id}/pause", null)).Status);
        await viewer.UntilAsync("state", state => state.GetProperty("status").GetString() == "paused");
        Assert.Equal("paused", (await api.GetAsync($"tasks/{id}")).Body.GetProperty("status").GetString());
        Assert.Equal(HttpStatusCode.Accepted, (await api.PostAsync($"tasks/{id}/resume", null)).Status);
        await pipeline.RecordAsync<AttemptResumed>(id);
        await Eventually.TrueAsync("the API knows that it runs again", async () => (await api.GetAsync($"tasks/{id}")).Body.GetProperty("status").GetString() == "running", TestPipeline.MaxWait);

        Assert.Equal(HttpStatusCode.Accepted, (await api.PostAsync($"tasks/{id}/stop", null)).Status);
        await viewer.ToTheEndAsync();
        Assert.Equal(["paused"], viewer.Events.Where(told => WatchClient.TypeOf(told) == "state").Select(state => state.GetProperty("status").GetString()).Where(status => status == "paused"));
        Assert.Equal(HttpStatusCode.Conflict, (await api.PostAsync($"tasks/{id}/pause", null)).Status);
        var attempt = (await api.GetAsync($"tasks/{id}")).Body.GetProperty("attempts")[0];
        Assert.Equal("TERM", attempt.GetProperty("ended_by").GetString());
        Assert.Single(pipeline.Progress(id).OfType<AttemptPaused>());
    }
}

using System.Net;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class ReplayTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task An_ended_task_is_replayed_as_a_new_one_and_both_name_each_other()
    {
        var (_, submitted) = await Api.PostAsync("tasks", new { type = "echo", project = "shop", @params = new { text = "hi" }, labels = new { ticket = "T-1" } });
        var old = await EndAsync(new Submitted(submitted));

        var (status, answer) = await Api.PostAsync($"tasks/{old.TaskId}/replay");
        Assert.Equal(HttpStatusCode.Accepted, status);
        var replay = new Submitted(answer);
        var (edited, other) = await Api.PostAsync($"tasks/{old.TaskId}/replay", new { @params = new { text = "again", times = 3 } });
        Assert.Equal(HttpStatusCode.Accepted, edited);

        var detail = (await Api.GetAsync(replay.Link("self"))).Body;
        Assert.Equal(("shop", "hi", "T-1", old.TaskId), (
            detail.GetProperty("project").GetString(),
            detail.GetProperty("params").GetProperty("text").GetString(),
            detail.GetProperty("labels").GetProperty("ticket").GetString(),
            detail.GetProperty("replay_of").GetString()));
        Assert.Equal("queued", detail.GetProperty("status").GetString());
        var second = new Submitted(other).TaskId;
        Assert.Equal("again", (await Api.GetAsync($"tasks/{second}")).Body.GetProperty("params").GetProperty("text").GetString());
        var before = (await Api.GetAsync($"tasks/{old.TaskId}")).Body;
        Assert.Equal("succeeded", before.GetProperty("status").GetString());
        Assert.Equal([replay.TaskId, second], before.GetProperty("replays").EnumerateArray().Select(id => id.GetString()));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_replay_with_a_key_happens_once_also_at_two_replicas_at_once()
    {
        var replica = await ReplicaAsync();
        var old = await EndAsync(await Api.SubmitAsync());
        await replica.UntilAsync(old.TaskId, "it has ended there too", state => state.GetProperty("status").GetString() == "succeeded");

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(number => (number % 2 == 0 ? Api : replica).PostAsync($"tasks/{old.TaskId}/replay", null, "r-1")));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Accepted);
        Assert.Equal(5, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.Single(answers.Select(answer => answer.Body.GetProperty("task_id").GetString()).Distinct());
        Assert.Equal(HttpStatusCode.Conflict, (await replica.PostAsync($"tasks/{old.TaskId}/replay", new { @params = new { text = "another" } }, "r-1")).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await replica.PostAsync($"tasks/{old.TaskId}/replay", null, "r-2")).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task Two_that_replay_with_different_params_at_once_both_get_their_own()
    {
        var replica = await ReplicaAsync();
        var old = await EndAsync(await Api.SubmitAsync());
        await replica.UntilAsync(old.TaskId, "it has ended there too", state => state.GetProperty("status").GetString() == "succeeded");

        var answers = await Task.WhenAll(new[] { Api, replica, Api, replica }.Select((api, number) => api.PostAsync($"tasks/{old.TaskId}/replay", new { @params = new { text = $"text {number}" } })));

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.Status));
        Assert.Equal(4, answers.Select(answer => answer.Body.GetProperty("task_id").GetString()).Distinct().Count());
    }

    [Fact(Timeout = 60_000)]
    public async Task What_cannot_be_replayed_says_why()
    {
        var task = await Api.SubmitAsync();
        var (status, problem) = await Api.PostAsync($"tasks/{task.TaskId}/replay");
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("has not ended yet", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);

        await EndAsync(task);
        (status, problem) = await Api.PostAsync($"tasks/{task.TaskId}/replay", new { @params = new { texts = "x" } });
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal(["params.text", "params.texts"], problem.GetProperty("errors").EnumerateObject().Select(error => error.Name).Order());
        Assert.Equal(HttpStatusCode.NotFound, (await Api.PostAsync("tasks/nobody/replay")).Status);
    }

    private async Task<Submitted> EndAsync(Submitted task)
    {
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        return task;
    }
}

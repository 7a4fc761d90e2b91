using System.Net;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Events of the caller's own in a task's timeline.</summary>
public sealed class EmitTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task Early_late_and_returning_watchers_of_all_replicas_are_told_each_event_once_in_its_place()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        await using var early = await WatchClient.WatchAsync(Api, task);
        await EmitAsync(Api, task, "queued");
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.PrintAsync("one");
        await EmitAsync(replica, task, "between", new { row = 1, of = "Ünïcode" });
        await early.UntilAsync("event", told => NameOf(told) == "between");
        var place = early.Cursor;
        await attempt.PrintAsync("two");
        await EmitAsync(Api, task, "later");
        await EmitAsync(replica, task, "latest");
        await attempt.FinishAsync();
        await early.ToTheEndAsync();

        Assert.Equal(["queued", "between", "later", "latest"], Named(early));
        Assert.Equal(["hello", "state", "event", "state", "state", "lines", "event", "lines", "event", "event", "exited", "end"], early.Events.Select(WatchClient.TypeOf).Where(type => type != "caught_up"));
        var between = early.Events.First(told => WatchClient.TypeOf(told) == "event" && NameOf(told) == "between");
        Assert.Equal((1, "Ünïcode"), (between.GetProperty("data").GetProperty("row").GetInt32(), between.GetProperty("data").GetProperty("of").GetString()));
        foreach (var api in new[] { Api, replica, await ReplicaAsync() })
        {
            await using var late = await WatchClient.WatchAsync(api, task);
            await late.ToTheEndAsync();
            Assert.Equal(Told(early), Told(late));

            await using var returning = await WatchClient.WatchAsync(api, task, $"from={place}");
            await returning.ToTheEndAsync();
            Assert.Equal(["later", "latest"], Named(returning));
            Assert.Equal(["two"], returning.Texts);

            await using var stream = await EventStreamClient.OpenAsync(api, task.Link("events"), lastEventId: place);
            await stream.ToTheEndAsync();
            Assert.Equal(["lines", "event", "event", "exited", "end"], stream.Types.Where(type => type is not ("hello" or "caught_up")));

            await using var tail = await WatchClient.WatchAsync(api, task, "tail=1");
            await tail.ToTheEndAsync();
            Assert.Equal(["later", "latest"], Named(tail));
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task A_watcher_can_return_to_another_replica_from_every_event()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        for (var number = 0; number < 3; number++)
        {
            await EmitAsync(Api, task, $"event-{number}");
            await attempt.PrintAsync($"line {number}a", $"line {number}b");
        }
        await attempt.FinishAsync();
        await using var all = await WatchClient.WatchAsync(Api, task);
        await all.ToTheEndAsync();
        var told = Told(all);

        for (var seen = 0; seen < told.Count - 1; seen++)
        {
            await using var returning = await WatchClient.WatchAsync(replica, task, $"from={JsonElement.Parse(told[seen]).GetProperty("cursor").GetString()}");
            await returning.ToTheEndAsync();
            Assert.Equal(told.Skip(seen + 1), Told(returning));
        }
        // Pages of output name the same places.
        var page = (await replica.GetAsync($"{task.Link("output")}&limit=3")).Body;
        await using var behind = await WatchClient.WatchAsync(Api, task, $"from={page.GetProperty("next").GetString()}");
        await behind.ToTheEndAsync();
        Assert.Equal(["event-2"], Named(behind));
        Assert.Equal(["line 1b", "line 2a", "line 2b"], behind.Texts);
    }

    [Fact(Timeout = 60_000)]
    public async Task Emitted_twice_with_one_key_it_is_one_event_also_at_two_replicas_at_once()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        var path = task.Link("self").Replace("?", "/emit?", StringComparison.Ordinal);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(number => (number % 2 == 0 ? Api : replica).PostAsync(path, new { name = "step", data = 7 }, "e-1")));

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.Status));
        Assert.Single(answers.Select(answer => answer.Body.GetProperty("event_id").GetString()).Distinct());
        Assert.Equal(HttpStatusCode.Conflict, (await Api.PostAsync(path, new { name = "step", data = 8 }, "e-1")).Status);
        await EmitAsync(replica, task, "step");
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.FinishAsync();
        await using var watcher = await WatchClient.WatchAsync(replica, task);
        await watcher.ToTheEndAsync();
        Assert.Equal(["step", "step"], Named(watcher));

        // Who did not hear the answer asks again, and the task has ended meanwhile.
        Assert.Equal(HttpStatusCode.Accepted, (await replica.PostAsync(path, new { name = "step", data = 7 }, "e-1")).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task What_is_taken_before_the_end_is_told_before_it_and_later_nothing_is_taken()
    {
        var replica = await ReplicaAsync();
        var task = await Api.SubmitAsync();
        await using var early = await WatchClient.WatchAsync(replica, task);
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.PrintAsync("one");
        await attempt.ExitAsync();
        await EmitAsync(Api, task, "exited");   // behind the last record that the state counts
        await attempt.EndAsync();
        await claim.WriteAsync(new TaskEmitted { TaskId = task.TaskId, EventId = "too-late", Name = "too-late", At = DateTimeOffset.UtcNow });
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        var (status, problem) = await Api.PostAsync($"tasks/{task.TaskId}/emit", new { name = "after" });
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("has ended", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        await early.ToTheEndAsync();
        Assert.Equal(["lines", "exited", "event", "end"], early.Events.Select(WatchClient.TypeOf).TakeLast(4));
        await using var restarted = await WatchClient.WatchAsync(await ReplicaAsync(), task);
        await restarted.ToTheEndAsync();
        Assert.Equal(Told(early), Told(restarted));
    }

    [Fact(Timeout = 60_000)]
    public async Task An_event_between_the_lines_and_the_end_is_told_however_early_the_state_is_read()
    {
        var task = await Api.SubmitAsync();
        await using var watcher = await WatchClient.WatchAsync(Api, task);
        var claim = await Worker.ClaimAsync(task.Lane);
        await claim.CommitAsync(new TaskState
        {
            TaskId = task.TaskId,
            Status = Status.Stopped,
            Reason = EndReason.UserRequest,
            Task = new TaskSubmission { TaskId = task.TaskId, Type = "echo" },
            Lane = task.Lane,
            Offset = task.Offset,
            At = DateTimeOffset.UtcNow.AddMinutes(1),
        });
        await Eventually.TrueAsync("the state was read", async () => (await Api.PostAsync($"tasks/{task.TaskId}/stop")).Status == HttpStatusCode.Conflict, TimeSpan.FromSeconds(20));
        await EmitAsync(Api, task, "in-time");
        await claim.WriteAsync(new TaskEnded { TaskId = task.TaskId, Attempt = 0, Epoch = claim.Epoch, Owner = claim.Owner, Status = Status.Stopped });

        await watcher.ToTheEndAsync();

        Assert.Equal(["in-time"], Named(watcher));
        Assert.Equal("end", WatchClient.TypeOf(watcher.Events[^1]));
    }

    [Theory(Timeout = 60_000)]
    [InlineData("""{}""", "name")]
    [InlineData("""{"name":""}""", "name")]
    [InlineData("""{"name":"a b"}""", "name")]
    [InlineData("""{"name":7}""", "name")]
    [InlineData("""{"name":"a","size":1}""", "size")]
    public async Task What_is_wrong_with_an_event_is_named_with_its_field(string body, string field)
    {
        var task = await Api.SubmitAsync();

        var (status, problem) = await Api.PostAsync($"tasks/{task.TaskId}/emit", JsonElement.Parse(body));

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _));
    }

    [Fact(Timeout = 60_000)]
    public async Task Data_may_be_16_KiB_and_no_more()
    {
        var task = await Api.SubmitAsync();
        var path = $"tasks/{task.TaskId}/emit";
        var most = (16 * 1024) - 2;   // and its quotes

        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync(path, new { name = "large", data = new string('x', most) })).Status);
        var (status, problem) = await Api.PostAsync(path, new { name = "large", data = new string('x', most + 1) });

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.True(problem.GetProperty("errors").TryGetProperty("data", out _));
        Assert.Equal(HttpStatusCode.NotFound, (await Api.PostAsync("tasks/nobody/emit", new { name = "x" })).Status);
    }

    private static async Task EmitAsync(ApiUnderTest api, Submitted task, string name, object? data = null)
    {
        var (status, answer) = await api.PostAsync(task.Link("self").Replace("?", "/emit?", StringComparison.Ordinal), data is null ? new { name } : new { name, data });
        Assert.Equal(HttpStatusCode.Accepted, status);
        Assert.NotEmpty(answer.GetProperty("event_id").GetString()!);
    }

    private static string NameOf(JsonElement told) => told.GetProperty("name").GetString()!;

    private static IEnumerable<string> Named(WatchClient watcher) => watcher.Events.Where(told => WatchClient.TypeOf(told) == "event").Select(NameOf);

    private static List<string> Told(WatchClient watcher) =>
        [.. watcher.Events.Where(told => WatchClient.TypeOf(told) is not ("hello" or "caught_up")).Select(told => told.ToString())];
}

using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class DeadLetterTests(TestBroker broker) : ApiTest(broker)
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    [Fact(Timeout = 60_000)]
    public async Task Dead_letters_are_listed_newest_first_by_filter_and_in_pages()
    {
        var shop = await DieAsync("shop");
        var home = await DieAsync("home");
        await Worker.WriteAsync(Cluster.Topics.DeadLetters, 0, "", TaskJson.Encode(new DeadLetter { Error = "not JSON", Raw = Convert.ToBase64String("{"u8), Lane = 2, Offset = 70, At = DateTimeOffset.UtcNow }));
        await UntilKnownAsync("raw-2-70");

        Assert.Equal(["raw-2-70", home, shop], await ListAsync(""));
        Assert.Equal([shop], await ListAsync("project=shop"));
        Assert.Equal([home, shop], await ListAsync("type=echo&class=permanent&reason=exit_code"));
        Assert.Empty(await ListAsync("class=transient"));
        Assert.Empty(await ListAsync("resolved=true"));
        var (_, page) = await Api.GetAsync("dead-letters?limit=2");
        Assert.Equal([shop], await ListAsync($"limit=2&after={page.GetProperty("next").GetString()}"));

        var (status, problem) = await Api.GetAsync("dead-letters?class=theirs&reason=bad_luck&resolved=maybe&limit=0&after=nobody");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal(["after", "class", "limit", "reason", "resolved"], problem.GetProperty("errors").EnumerateObject().Select(error => error.Name).Order());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_dead_letter_shows_its_task_its_attempts_and_what_was_printed_last()
    {
        var id = await DieAsync("shop");
        var (_, letter) = await Api.GetAsync($"dead-letters/{id}");
        Assert.Equal(("shop", "echo", "hi", "T-1"), (
            letter.GetProperty("project").GetString(),
            letter.GetProperty("type").GetString(),
            letter.GetProperty("params").GetProperty("text").GetString(),
            letter.GetProperty("labels").GetProperty("ticket").GetString()));
        Assert.Equal(("no such table", "no such table", "exit_code", "permanent", 3), (
            letter.GetProperty("error").GetString(),
            letter.GetProperty("output_tail").GetString(),
            letter.GetProperty("reason").GetString(),
            letter.GetProperty("class").GetString(),
            letter.GetProperty("exit_code").GetInt32()));
        Assert.Equal("w-1", letter.GetProperty("attempts")[0].GetProperty("worker").GetString());

        await Worker.WriteAsync(Cluster.Topics.DeadLetters, 0, "", TaskJson.Encode(new DeadLetter { Error = "not JSON", Raw = Convert.ToBase64String("{"u8), Lane = 2, Offset = 70, At = DateTimeOffset.UtcNow }));
        await UntilKnownAsync("raw-2-70");
        var (_, raw) = await Api.GetAsync("dead-letters/raw-2-70");
        Assert.Equal(("{", 2, 70), (Encoding.UTF8.GetString(raw.GetProperty("raw").GetBytesFromBase64()), raw.GetProperty("lane").GetInt32(), raw.GetProperty("offset").GetInt32()));
        var (refused, why) = await Api.PostAsync("dead-letters/raw-2-70/redrive");
        Assert.Equal(HttpStatusCode.Conflict, refused);
        Assert.Contains("could not be read", why.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await Api.GetAsync("dead-letters/nobody")).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_redrive_is_one_new_task_until_that_one_has_ended()
    {
        var replica = await ReplicaAsync();
        var id = await DieAsync("shop");
        await UntilKnownAsync(id, replica);

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(number => (number % 2 == 0 ? Api : replica).PostAsync($"dead-letters/{id}/redrive")));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Accepted);
        Assert.Equal(5, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        var first = new Submitted(answers[0].Body);
        Assert.All(answers, answer => Assert.Equal(first.TaskId, answer.Body.GetProperty("task_id").GetString()));
        var task = (await Api.GetAsync(first.Link("self"))).Body;
        Assert.Equal((id, "hi", "T-1"), (task.GetProperty("redrive_of").GetString(), task.GetProperty("params").GetProperty("text").GetString(), task.GetProperty("labels").GetProperty("ticket").GetString()));
        Assert.Empty(await ListAsync(""));
        Assert.Equal([id], await ListAsync("resolved=true"));
        var letter = (await Api.GetAsync($"dead-letters/{id}")).Body;
        Assert.Equal(("redriven", first.TaskId), (letter.GetProperty("resolution").GetString(), letter.GetProperty("redrives").EnumerateArray().Single().GetString()));

        var (other, problem) = await Api.PostAsync($"dead-letters/{id}/redrive", new { @params = new { text = "mended" } });
        Assert.Equal(HttpStatusCode.Conflict, other);
        Assert.Contains(first.TaskId, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);

        using var attempt = await (await Worker.ClaimAsync(first.Lane, epoch: 2)).StartAsync(first);
        await attempt.FinishAsync(exitCode: 1);
        await Api.UntilAsync(first.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "failed");
        var (again, answer) = await Api.PostAsync($"dead-letters/{id}/redrive", new { @params = new { text = "mended" } });
        Assert.Equal(HttpStatusCode.Accepted, again);
        var second = new Submitted(answer).TaskId;
        Assert.NotEqual(first.TaskId, second);
        Assert.Equal("mended", (await Api.GetAsync($"tasks/{second}")).Body.GetProperty("params").GetProperty("text").GetString());

        // A replica that reads the topics anew knows as much.
        var restarted = await ReplicaAsync();
        Assert.Equal([first.TaskId, second], (await restarted.GetAsync($"dead-letters/{id}")).Body.GetProperty("redrives").EnumerateArray().Select(redrive => redrive.GetString()));
        Assert.Equal("failed", (await restarted.GetAsync($"tasks/{id}")).Body.GetProperty("status").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_redrive_with_a_key_happens_once_also_after_its_end()
    {
        var id = await DieAsync("shop");
        var first = new Submitted((await Api.PostAsync($"dead-letters/{id}/redrive", null, "r-1")).Body);
        using var attempt = await (await Worker.ClaimAsync(first.Lane, epoch: 2)).StartAsync(first);
        await attempt.FinishAsync();
        await Api.UntilAsync(first.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        var (status, answer) = await Api.PostAsync($"dead-letters/{id}/redrive", null, "r-1");

        Assert.Equal((HttpStatusCode.OK, first.TaskId), (status, answer.GetProperty("task_id").GetString()));
        Assert.Equal(HttpStatusCode.Conflict, (await Api.PostAsync($"dead-letters/{id}/redrive", new { @params = new { text = "other" } }, "r-1")).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"dead-letters/{id}/redrive", null, "r-2")).Status);
        Assert.Equal(2, (await Api.GetAsync($"dead-letters/{id}")).Body.GetProperty("redrives").GetArrayLength());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_redrive_that_was_not_recorded_before_a_crash_is_found_and_recorded()
    {
        var id = await DieAsync("shop");
        var redrive = DerivedId.Of(id, "redrive", "1");
        var (_, before) = await Api.GetAsync($"dead-letters/{id}");
        Assert.False(before.TryGetProperty("redrives", out _));
        var submission = Submission("shop") with { TaskId = redrive, RedriveOf = id, RedriveSeq = 1, BodyHash = BodyHash.Of(default) };
        await Worker.WriteAsync(Cluster.Topics.Tasks, 1, redrive, TaskJson.Encode(submission));
        await Eventually.TrueAsync("the redrive is known", async () => (await Api.GetAsync($"tasks/{redrive}")).Status == HttpStatusCode.OK, MaxWait);

        var (status, answer) = await Api.PostAsync($"dead-letters/{id}/redrive");

        Assert.Equal((HttpStatusCode.OK, redrive), (status, answer.GetProperty("task_id").GetString()));
        Assert.Equal(redrive, (await Api.GetAsync($"dead-letters/{id}")).Body.GetProperty("redrives").EnumerateArray().Single().GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task Params_of_a_redrive_are_checked_like_those_of_a_submission()
    {
        var id = await DieAsync("shop");
        var (status, problem) = await Api.PostAsync($"dead-letters/{id}/redrive", new { @params = new { times = 100 } });

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal(["params.text", "params.times"], problem.GetProperty("errors").EnumerateObject().Select(error => error.Name).Order());
        Assert.Equal([id], await ListAsync(""));
    }

    [Fact(Timeout = 60_000)]
    public async Task Many_are_redriven_at_the_rate_that_was_asked_for_and_each_once()
    {
        List<string> shop = [];
        for (var number = 0; number < 4; number++)
            shop.Add(await DieAsync("shop"));
        var home = await DieAsync("home");

        var since = Stopwatch.StartNew();
        var (status, answer) = await Api.PostAsync("dead-letters/redrive", new { project = "shop", rate = 20 }, "bulk-1");
        Assert.Equal(HttpStatusCode.Accepted, status);
        Assert.Equal(4, answer.GetProperty("taken").GetInt32());
        Assert.Equal(answer.GetProperty("id").GetString(), (await Api.PostAsync("dead-letters/redrive", new { project = "shop", rate = 20 }, "bulk-1")).Body.GetProperty("id").GetString());
        var progress = await UntilFinishedAsync(Api, answer);

        Assert.True(since.Elapsed >= TimeSpan.FromMilliseconds(150), $"four at 20 per second took {since.Elapsed}");
        Assert.Equal((4, 0, 0), (progress.GetProperty("redriven").GetInt32(), progress.GetProperty("skipped").GetInt32(), progress.GetProperty("failed").GetInt32()));
        Assert.Equal([home], await ListAsync(""));
        Assert.Equal(shop.Order(), (await ListAsync("resolved=true")).Order());
        Assert.Equal(4, await RedriveCountAsync());
        Assert.Equal(0, (await Api.PostAsync("dead-letters/redrive", new { project = "shop" })).Body.GetProperty("taken").GetInt32());
        Assert.Equal(HttpStatusCode.Conflict, (await Api.PostAsync("dead-letters/redrive", new { project = "home" }, "bulk-1")).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_redrive_of_many_that_died_in_the_middle_goes_on_where_it_is_asked_for_again()
    {
        for (var number = 0; number < 4; number++)
            await DieAsync("shop");
        var dying = await ReplicaAsync();
        var (_, slow) = await dying.PostAsync("dead-letters/redrive", new { rate = 0.01 });
        Assert.Equal(4, slow.GetProperty("taken").GetInt32());
        await Eventually.TrueAsync("one is redriven", async () => (await dying.GetAsync(slow.GetProperty("progress").GetString()!)).Body.GetProperty("redriven").GetInt32() == 1, MaxWait);
        await dying.StopAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync("the other replica knows of it", async () => (await ListAsync("resolved=true")).Count == 1, MaxWait);

        var (status, answer) = await Api.PostAsync("dead-letters/redrive", new { rate = 1000, limit = 2 });
        Assert.Equal((HttpStatusCode.Accepted, 2), (status, answer.GetProperty("taken").GetInt32()));
        await UntilFinishedAsync(Api, answer);
        await UntilFinishedAsync(Api, (await Api.PostAsync("dead-letters/redrive")).Body);

        Assert.Empty(await ListAsync(""));
        Assert.Equal(4, await RedriveCountAsync());
        Assert.Equal(HttpStatusCode.NotFound, (await Api.GetAsync("dead-letters/redrives/nobody")).Status);
        var (refused, problem) = await Api.PostAsync("dead-letters/redrive", new { rate = 0, limit = 0, @class = 7 });
        Assert.Equal(HttpStatusCode.BadRequest, refused);
        Assert.Equal(["class", "limit", "rate"], problem.GetProperty("errors").EnumerateObject().Select(error => error.Name).Order());
        foreach (var rate in new[] { 1e-300, 1e-7, 1000.1 })
            Assert.Contains("rate must be a number from 0.001 to 1000", (await Api.PostAsync("dead-letters/redrive", new { rate })).Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync("dead-letters/redrive", new { rate = 0.001 })).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task What_cannot_be_redriven_is_counted_and_named()
    {
        var id = await DieAsync("shop", Submission("shop") with { Params = [] });

        var progress = await UntilFinishedAsync(Api, (await Api.PostAsync("dead-letters/redrive")).Body);

        Assert.Equal(1, progress.GetProperty("failed").GetInt32());
        var error = progress.GetProperty("errors")[0];
        Assert.Equal(id, error.GetProperty("id").GetString());
        Assert.Contains("params.text", error.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal([id], await ListAsync(""));
    }

    [Fact(Timeout = 60_000)]
    public async Task Many_that_fail_for_one_reason_are_one_error_with_a_count_and_the_way_out()
    {
        List<string> ids = [];
        for (var number = 0; number < 12; number++)
            ids.Add(await DieAsync("shop", Submission("shop") with { Params = [], TypeHash = "as-it-was" }));

        var progress = await UntilFinishedAsync(Api, (await Api.PostAsync("dead-letters/redrive", new { rate = 0.01 })).Body);

        Assert.Equal(12, progress.GetProperty("failed").GetInt32());
        var error = Assert.Single(progress.GetProperty("errors").EnumerateArray());
        Assert.Equal((ids[0], 12), (error.GetProperty("id").GetString(), error.GetProperty("count").GetInt32()));
        Assert.Equal(ids.Take(10), error.GetProperty("ids").EnumerateArray().Select(id => id.GetString()!));
        Assert.Contains("type has changed", error.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("""{"params":{""", error.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"dead-letters/{ids[0]}/redrive", new { @params = new { text = "mended" } })).Status);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_redrive_and_a_replay_after_the_type_has_changed_say_so()
    {
        var types = (await Api.GetAsync("task-types")).Body.GetProperty("types").EnumerateArray();
        var now = types.First(type => type.GetProperty("type").GetString() == "echo").GetProperty("hash").GetString();
        var changed = await DieAsync("shop", Submission("shop") with { TypeHash = "as-it-was" });
        var same = await DieAsync("shop", Submission("shop") with { TypeHash = now });

        Assert.Equal((true, now, "as-it-was"), Hashes((await Api.GetAsync($"dead-letters/{changed}")).Body));
        Assert.Equal((false, now, null), Hashes((await Api.GetAsync($"dead-letters/{same}")).Body));
        var answer = (await Api.PostAsync($"dead-letters/{changed}/redrive")).Body;
        Assert.Equal((true, now, "as-it-was"), Hashes(answer));
        Assert.Equal((true, now, "as-it-was"), Hashes((await Api.PostAsync($"dead-letters/{changed}/redrive")).Body));
        Assert.Equal((false, now, "as-it-was"), Hashes((await Api.GetAsync($"tasks/{answer.GetProperty("task_id").GetString()}")).Body));
        Assert.Equal((false, null, null), Hashes((await Api.PostAsync($"dead-letters/{same}/redrive")).Body));

        var old = new TaskSubmission { TaskId = TaskIds.New(), Type = "echo", Params = Submission("shop").Params, TypeHash = "as-it-was", SubmittedAt = DateTimeOffset.UtcNow };
        var offset = await Worker.WriteAsync(Cluster.Topics.Tasks, 3, old.TaskId, TaskJson.Encode(old));
        var claim = await Worker.ClaimAsync(3, epoch: 50);
        await claim.EndAsync(new TaskState { TaskId = old.TaskId, Status = Status.Stopped, Reason = EndReason.UserRequest, Task = old, Lane = 3, Offset = offset, At = DateTimeOffset.UtcNow });
        await Eventually.TrueAsync("it has ended", async () => (await Api.GetAsync($"tasks/{old.TaskId}")).Body.TryGetProperty("ended_at", out _), MaxWait);
        Assert.Equal((true, now, "as-it-was"), Hashes((await Api.PostAsync($"tasks/{old.TaskId}/replay")).Body));

        static (bool, string?, string?) Hashes(JsonElement answer) => (
            answer.TryGetProperty("type_changed", out var isChanged) && isChanged.GetBoolean(),
            answer.TryGetProperty("type_hash", out var hash) ? hash.GetString() : null,
            answer.TryGetProperty("previous_type_hash", out var previous) ? previous.GetString() : null);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_discarded_letter_is_put_aside_for_all_replicas_and_twice_is_harmless()
    {
        var replica = await ReplicaAsync();
        var id = await DieAsync("shop");
        Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"dead-letters/{id}/discard")).Status);
        var (status, answer) = await Api.PostAsync($"dead-letters/{id}/discard");
        Assert.Equal((HttpStatusCode.Accepted, "discarded"), (status, answer.GetProperty("resolution").GetString()));
        Assert.Empty(await ListAsync(""));
        await Eventually.TrueAsync("the other replica knows", async () => (await replica.GetAsync($"dead-letters/{id}")).Body.TryGetProperty("resolution", out _), MaxWait);
        Assert.Equal(HttpStatusCode.Accepted, (await replica.PostAsync($"dead-letters/{id}/discard")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Api.PostAsync("dead-letters/nobody/discard")).Status);

        // On second thoughts.
        var redrive = new Submitted((await Api.PostAsync($"dead-letters/{id}/redrive")).Body);
        var (late, problem) = await Api.PostAsync($"dead-letters/{id}/discard");
        Assert.Equal(HttpStatusCode.Conflict, late);
        Assert.Contains(redrive.TaskId, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    /// <summary>A task that failed for good; the API knows of it.</summary>
    private async Task<string> DieAsync(string project, TaskSubmission? submission = null)
    {
        var task = await Api.SubmitAsync("hi", project);
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.DieAsync(submission ?? Submission(project));
        await UntilKnownAsync(task.TaskId);
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "failed");
        return task.TaskId;
    }

    private static TaskSubmission Submission(string project) => new()
    {
        TaskId = "",
        Project = project,
        Type = "echo",
        Params = new() { ["text"] = JsonElement.Parse("\"hi\"") },
        Labels = new() { ["ticket"] = "T-1" },
    };

    private Task UntilKnownAsync(string id, ApiUnderTest? api = null) =>
        Eventually.TrueAsync($"the dead letter {id} is known", async () => (await (api ?? Api).GetAsync($"dead-letters/{id}")).Status == HttpStatusCode.OK, MaxWait);

    private async Task<List<string>> ListAsync(string query) =>
        [.. (await Api.GetAsync($"dead-letters?{query}")).Body.GetProperty("dead_letters").EnumerateArray().Select(letter => letter.GetProperty("id").GetString()!)];

    private static async Task<JsonElement> UntilFinishedAsync(ApiUnderTest api, JsonElement answer)
    {
        JsonElement progress = default;
        await Eventually.TrueAsync("the redrive is finished", async () =>
        {
            progress = (await api.GetAsync(answer.GetProperty("progress").GetString()!)).Body;
            return progress.GetProperty("status").GetString() == "finished";
        }, MaxWait);
        return progress;
    }

    private async Task<int> RedriveCountAsync()
    {
        var tasks = (await Api.GetAsync("tasks?status=queued&limit=500")).Body.GetProperty("tasks").EnumerateArray().Select(task => task.GetProperty("task_id").GetString()).ToList();
        Assert.Equal(tasks.Count, tasks.Distinct().Count());
        return tasks.Count;
    }
}

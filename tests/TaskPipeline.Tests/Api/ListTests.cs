using System.Net;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class ListTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task Tasks_are_listed_newest_first_in_pages()
    {
        List<string> ids = [];
        for (var number = 0; number < 7; number++)
            ids.Add((await Api.SubmitAsync()).TaskId);
        ids.Reverse();

        List<string> listed = [];
        string? next = null;
        do
        {
            var page = (await Api.GetAsync($"tasks?limit=3&after={next}")).Body;
            listed.AddRange(page.GetProperty("tasks").EnumerateArray().Select(task => task.GetProperty("task_id").GetString()!));
            next = page.TryGetProperty("next", out var more) ? more.GetString() : null;
        }
        while (next is not null);

        Assert.Equal(ids, listed);
    }

    [Fact(Timeout = 60_000)]
    public async Task Lists_can_be_narrowed()
    {
        var shop = await Api.SubmitAsync(project: "shop");
        var running = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(running.Lane)).StartAsync(running);
        await Api.UntilAsync(running.TaskId, "it runs", state => state.GetProperty("status").GetString() == "running");

        Assert.Equal([running.TaskId], await IdsAsync("status=running"));
        Assert.Equal([shop.TaskId], await IdsAsync("project=shop"));
        Assert.Equal([shop.TaskId], await IdsAsync("project=shop&status=queued&type=echo"));
        Assert.Empty(await IdsAsync("type=tools"));
    }

    [Theory(Timeout = 60_000)]
    [InlineData("status=asleep", "status")]
    [InlineData("limit=0", "limit")]
    [InlineData("limit=many", "limit")]
    [InlineData("after=nobody", "after")]
    public async Task A_list_that_is_not_understood_names_the_field(string query, string field)
    {
        var (status, problem) = await Api.GetAsync($"tasks?{query}");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_task_shows_what_its_worker_reports()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await Api.UntilAsync(task.TaskId, "two lines are there", state => state.GetProperty("lines").GetInt64() == 2);
        var running = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal(("running", 1, "w-1"), (running.GetProperty("status").GetString(), running.GetProperty("attempt").GetInt32(), running.GetProperty("worker").GetString()));
        Assert.False(running.TryGetProperty("queue_position", out _));
        Assert.True(running.TryGetProperty("started_at", out _));

        await attempt.FinishAsync(exitCode: 4);
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "failed");
        var ended = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal((4, "exit_code", 2L), (ended.GetProperty("exit_code").GetInt32(), ended.GetProperty("reason").GetString(), ended.GetProperty("lines").GetInt64()));
        Assert.Equal(attempt.Hash, ended.GetProperty("attempts")[0].GetProperty("hash").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task The_latest_result_of_a_running_agent_is_shown_with_its_time()
    {
        var task = await Api.SubmitAsync();
        var claim = await Worker.ClaimAsync(task.Lane);
        using var attempt = await claim.StartAsync(task);
        await attempt.NoteAsync(AgentEventName.Result, new { rows = 1 });
        await attempt.NoteAsync(AgentEventName.Result, new { rows = 2 });
        await Api.UntilAsync(task.TaskId, "the second result is there", state => state.TryGetProperty("result", out var result) && result.GetProperty("rows").GetInt32() == 2);
        var running = (await Api.GetAsync($"tasks/{task.TaskId}")).Body;
        Assert.Equal("running", running.GetProperty("status").GetString());
        Assert.InRange(running.GetProperty("result_at").GetDateTimeOffset(), running.GetProperty("started_at").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.False(running.TryGetProperty("result_left_out", out _));

        await attempt.NoteAsync(AgentEventName.Warning, new { message = "the result has 70000 bytes and is left out", result_left_out = true });
        await Api.UntilAsync(task.TaskId, "the third is left out", state => state.TryGetProperty("result_left_out", out _) && !state.TryGetProperty("result", out _));
        using var second = await claim.StartAsync(task, attempt: 2);
        await Api.UntilAsync(task.TaskId, "another attempt has none yet", state => state.GetProperty("attempt").GetInt32() == 2 && !state.TryGetProperty("result_left_out", out _) && !state.TryGetProperty("result_at", out _));
    }

    [Fact(Timeout = 60_000)]
    public async Task Output_is_read_in_pages_forwards_and_backwards()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("1", "2", "3", "4");
        await attempt.PrintAsync("5");
        await attempt.PrintAsync("6", "7");
        await Api.UntilAsync(task.TaskId, "seven lines are there", state => state.GetProperty("lines").GetInt64() == 7);

        var first = await OutputAsync($"tasks/{task.TaskId}/output?limit=3");
        Assert.Equal(["1", "2", "3"], TextsOf(first));
        Assert.True(first.GetProperty("more").GetBoolean());
        Assert.False(first.TryGetProperty("previous", out _));
        var second = await OutputAsync($"tasks/{task.TaskId}/output?limit=3&after={first.GetProperty("next").GetString()}");
        Assert.Equal(["4", "5", "6"], TextsOf(second));
        var third = await OutputAsync($"tasks/{task.TaskId}/output?limit=3&after={second.GetProperty("next").GetString()}");
        Assert.Equal(["7"], TextsOf(third));
        Assert.Equal((false, false), (third.GetProperty("more").GetBoolean(), third.GetProperty("ended").GetBoolean()));
        var back = await OutputAsync($"tasks/{task.TaskId}/output?limit=4&before={third.GetProperty("previous").GetString()}");
        Assert.Equal(["3", "4", "5", "6"], TextsOf(back));
        Assert.True(back.GetProperty("more").GetBoolean());

        await attempt.PrintAsync("8");
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");
        var last = await OutputAsync($"tasks/{task.TaskId}/output?after={third.GetProperty("next").GetString()}");
        Assert.Equal(["8"], TextsOf(last));
        Assert.True(last.GetProperty("ended").GetBoolean());
    }

    [Fact(Timeout = 60_000)]
    public async Task Output_is_also_a_text_file_that_no_browser_takes_for_anything_else()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("<script>alert(1)</script>", "\u001b[1mbold\u001b[0m");
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        using var answer = await Api.Http.GetAsync($"tasks/{task.TaskId}/output?format=text");

        Assert.Equal("<script>alert(1)</script>\nbold\n", await answer.Content.ReadAsStringAsync());
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("attachment", answer.Content.Headers.ContentDisposition!.DispositionType);
    }

    private async Task<IEnumerable<string?>> IdsAsync(string query) =>
        (await Api.GetAsync($"tasks?{query}")).Body.GetProperty("tasks").EnumerateArray().Select(task => task.GetProperty("task_id").GetString());

    private async Task<JsonElement> OutputAsync(string path)
    {
        var (status, body) = await Api.GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, status);
        return body;
    }

    private static IEnumerable<string?> TextsOf(JsonElement page) => page.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("text").GetString());
}

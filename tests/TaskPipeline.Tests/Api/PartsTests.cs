using System.Net;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Long lines and prompts travel in parts; who reads text reads lines.</summary>
public sealed class PartsTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_prompt_is_seen_before_its_line_is_over_and_the_line_is_one_event()
    {
        var (task, attempt) = await StartAsync();
        await attempt.PrintAsync("first");
        await attempt.PrintPartAsync("name? ", 1);
        await using var content = await Api.Http.GetStreamAsync(task.Link("events") + "&format=text", TestContext.Current.CancellationToken);
        var seen = new StringBuilder();
        var buffer = new byte[4096];
        while (!seen.ToString().EndsWith("data: name? ", StringComparison.Ordinal))
            seen.Append(Encoding.UTF8.GetString(buffer, 0, await content.ReadAsync(buffer, TestContext.Current.CancellationToken)));
        await attempt.PrintPartAsync("\u001b[3", 2);
        await attempt.PrintPartAsync("2mBob\u001b[0m", 3, last: true);
        await attempt.FinishAsync();

        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text");
        await stream.ToTheEndAsync();
        Assert.Equal(["first", "name? Bob", "DONE"], stream.Events.Select(told => told.Data));
        await using var rest = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text", lastEventId: stream.Events[0].Id);
        await rest.ToTheEndAsync();
        Assert.Equal(stream.Events.Skip(1), rest.Events);
    }

    [Fact(Timeout = 60_000)]
    public async Task Where_something_comes_between_the_rows_say_so_and_every_place_goes_on_behind_itself()
    {
        var (task, attempt) = await StartAsync();
        await attempt.PrintPartAsync("one ", 1);
        await attempt.PrintAsync(OutputStream.Stderr, "error");
        await attempt.PrintPartAsync("two ", 2);
        await attempt.PrintPartAsync("three", 3, last: true);
        await attempt.FinishAsync();

        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text");
        await stream.ToTheEndAsync();

        Assert.Equal(["one ", "error", "two three", "DONE"], stream.Events.Select(told => told.Data));
        Assert.Equal(["event: part"], stream.Others.Where(line => line.StartsWith("event", StringComparison.Ordinal)));
        for (var seen = 0; seen < stream.Events.Count - 1; seen++)
        {
            await using var rest = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text", lastEventId: stream.Events[seen].Id);
            await rest.ToTheEndAsync();
            Assert.Equal(stream.Events.Skip(seen + 1), rest.Events);
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task What_a_carriage_return_takes_back_is_told_as_overwritten_and_left_out_of_files()
    {
        var (task, attempt) = await StartAsync();
        await attempt.PrintPartAsync("10%", 1);
        await attempt.PrintPartAsync("\r20%", 2);
        await attempt.PrintPartAsync("\r30%", 3);
        await attempt.PrintPartAsync(" done", 4, last: true);
        await attempt.PrintAsync("after");
        await attempt.FinishAsync();

        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text");
        await stream.ToTheEndAsync();

        Assert.Equal(["10%", "20%", "30% done", "after", "DONE"], stream.Events.Select(told => told.Data));
        Assert.Equal(["event: overwritten", "event: overwritten"], stream.Others.Where(line => line.StartsWith("event", StringComparison.Ordinal)));
        Assert.Equal("30% done\nafter\n", await FileAsync(task));
    }

    [Fact(Timeout = 60_000)]
    public async Task Over_a_socket_a_line_is_one_message_and_one_that_is_not_over_is_shown_after_a_moment()
    {
        var (task, attempt) = await StartAsync();
        await attempt.PrintPartAsync("a long ", 1);
        await attempt.PrintPartAsync("line", 2, last: true);
        await attempt.PrintPartAsync("name? ", 1);

        await using var watcher = await WatchClient.WatchAsync(Api, task, "format=text");
        Assert.Equal("a long line", await watcher.NextTextAsync());
        Assert.Equal("name? ", await watcher.NextTextAsync());
        await attempt.PrintPartAsync("Bob", 2, last: true);
        Assert.Equal("Bob", await watcher.NextTextAsync());
        await attempt.FinishAsync();
        Assert.Equal("DONE", await watcher.NextTextAsync());
        Assert.Null(await watcher.NextTextAsync());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_file_has_lines_whatever_came_between_their_parts_and_what_was_never_finished()
    {
        var (task, attempt) = await StartAsync();
        await attempt.PrintPartAsync("one ", 1);
        await attempt.PrintPartAsync("err", 1, stream: OutputStream.Stderr);
        await attempt.PrintPartAsync("two", 2, last: true);
        await attempt.PrintPartAsync("or", 2, last: true, stream: OutputStream.Stderr);
        await attempt.PrintPartAsync("never finished", 1);
        await Api.UntilAsync(task.TaskId, "all is read", detail => detail.GetProperty("lines").GetInt64() == 5);

        Assert.Equal("one two\nerror\nnever finished", await FileAsync(task));
        await attempt.FinishAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_search_finds_what_two_parts_have_between_them_once_and_from_every_page()
    {
        var (task, attempt) = await StartAsync();
        await attempt.PrintAsync("needle 1");
        await attempt.PrintPartAsync("begins nee", 1);
        await attempt.PrintAsync(OutputStream.Stderr, "needle 2");
        await attempt.PrintPartAsync("dle 3 and a nee", 2);
        await attempt.PrintPartAsync("dle more", 3, last: true);
        await attempt.PrintPartAsync("nee", 1);
        await Api.UntilAsync(task.TaskId, "all is read", detail => detail.GetProperty("lines").GetInt64() == 6);

        Assert.Equal(["needle 1", "needle 2", "begins needle 3 and a needle more"], TextsOf(await PageAsync(task, "")));
        await attempt.PrintPartAsync("dle 4", 2, last: true);
        await attempt.PrintPartAsync("the needle 5 that is never finished", 1);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", detail => detail.GetProperty("status").GetString() == "succeeded");

        string[] expected = ["needle 1", "needle 2", "begins needle 3 and a needle more", "needle 4", "the needle 5 that is never finished"];
        var whole = await PageAsync(task, "");
        Assert.Equal(expected, TextsOf(whole));
        Assert.False(whole.GetProperty("lines")[2].TryGetProperty("part", out _));
        List<string?> forward = [];
        JsonElement page = default;
        for (var more = true; more; more = page.GetProperty("more").GetBoolean())
        {
            page = await PageAsync(task, $"&limit=1&after={(forward.Count == 0 ? "" : page.GetProperty("next").GetString())}");
            forward.AddRange(TextsOf(page));
        }
        Assert.Equal(expected, forward);
        List<string?> back = [.. TextsOf(page)];
        while (page.TryGetProperty("previous", out var previous) && TextsOf(page = await PageAsync(task, $"&limit=1&before={previous.GetString()}")).ToList() is { Count: > 0 } texts)
            back.InsertRange(0, texts);
        Assert.Equal(expected, back);
    }

    [Fact(Timeout = 60_000)]
    public async Task Of_a_very_long_line_a_search_shows_what_surrounds_the_text()
    {
        var (task, attempt) = await StartAsync();
        var half = new string('x', 100_000);
        await attempt.PrintPartAsync(half + "nee", 1);
        await attempt.PrintPartAsync("dle" + half, 2, last: true);
        await attempt.FinishAsync();
        await Api.UntilAsync(task.TaskId, "it has ended", detail => detail.GetProperty("status").GetString() == "succeeded");

        var hit = (await PageAsync(task, "")).GetProperty("lines").EnumerateArray().Single();

        Assert.Contains("xneedlex", hit.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal(200_006 - hit.GetProperty("text").GetString()!.Length, hit.GetProperty("cut").GetInt32());
    }

    private async Task<(Submitted Task, ScriptedAttempt Attempt)> StartAsync()
    {
        var task = await Api.SubmitAsync();
        return (task, await (await Worker.ClaimAsync(task.Lane)).StartAsync(task));
    }

    private Task<string> FileAsync(Submitted task) => Api.Http.GetStringAsync(new Uri($"tasks/{task.TaskId}/output?format=text", UriKind.Relative), TestContext.Current.CancellationToken);

    private async Task<JsonElement> PageAsync(Submitted task, string more)
    {
        var (status, page) = await Api.GetAsync($"tasks/{task.TaskId}/output?q=NEEDLE{more}");
        Assert.Equal(HttpStatusCode.OK, status);
        return page;
    }

    private static IEnumerable<string?> TextsOf(JsonElement page) => page.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("text").GetString());
}

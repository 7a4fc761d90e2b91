using System.Net;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class EventStreamTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task An_event_stream_has_an_id_on_every_event_and_closes_after_the_end()
    {
        var task = await Api.SubmitAsync();
        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events"));
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one", "two\u2028still two");
        await attempt.FinishAsync();
        await stream.ToTheEndAsync();

        Assert.Equal("text/event-stream", stream.Answer.Content.Headers.ContentType!.MediaType);
        Assert.True(stream.Answer.Headers.CacheControl!.NoStore);
        Assert.Equal("no", stream.Answer.Headers.GetValues("X-Accel-Buffering").Single());
        Assert.StartsWith("retry: ", stream.Others[0], StringComparison.Ordinal);
        Assert.All(stream.Events, told => Assert.NotEmpty(told.Id));
        Assert.Equal("hello", stream.Types.First());
        Assert.Equal("end", stream.Types.Last());
        Assert.Equal([1, 2], stream.Seqs);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_browser_that_has_seen_the_end_is_told_not_to_come_back()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one");
        await attempt.FinishAsync();
        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events"));
        await stream.ToTheEndAsync();

        await using var again = await EventStreamClient.OpenAsync(Api, task.Link("events"), lastEventId: stream.Events[^1].Id);
        Assert.Equal(HttpStatusCode.NoContent, again.Status);

        await using var missed = await EventStreamClient.OpenAsync(Api, task.Link("events"), lastEventId: stream.Events[^2].Id);
        await missed.ToTheEndAsync();
        Assert.Equal("end", missed.Types.Last());
        Assert.Empty(missed.Seqs);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_last_id_goes_before_the_query()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one");
        await attempt.PrintAsync("two");
        await attempt.FinishAsync();
        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&from=start", lastEventId: "1.1.2");
        await stream.ToTheEndAsync();

        Assert.Equal([2], stream.Seqs);
    }

    [Fact(Timeout = 60_000)]
    public async Task Text_events_are_the_lines_and_the_last_word()
    {
        var task = await Api.SubmitAsync();
        using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
        await attempt.PrintAsync("one", "two");
        await attempt.FinishAsync();
        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text");
        await stream.ToTheEndAsync();

        Assert.Equal(["one", "two", "DONE"], stream.Events.Select(told => told.Data));
        await using var rest = await EventStreamClient.OpenAsync(Api, task.Link("events") + "&format=text", lastEventId: stream.Events[0].Id);
        await rest.ToTheEndAsync();
        Assert.Equal(["two", "DONE"], rest.Events.Select(told => told.Data));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_stream_without_news_is_kept_alive_by_comments()
    {
        var task = await Api.SubmitAsync();
        await using var stream = await EventStreamClient.OpenAsync(Api, task.Link("events"));

        Assert.StartsWith(":", await stream.NextCommentAsync(), StringComparison.Ordinal);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("tasks/nobody/events", HttpStatusCode.NotFound)]
    [InlineData("tasks/{0}/events?from=1", HttpStatusCode.BadRequest)]
    [InlineData("tasks/{0}/events?format=xml", HttpStatusCode.BadRequest)]
    public async Task A_stream_that_cannot_be_served_is_a_problem_document(string path, HttpStatusCode expected)
    {
        var task = await Api.SubmitAsync();
        await using var stream = await EventStreamClient.OpenAsync(Api, string.Format(null, path, task.TaskId));

        Assert.Equal(expected, stream.Status);
        Assert.Equal("application/problem+json", stream.Answer.Content.Headers.ContentType!.MediaType);
    }
}

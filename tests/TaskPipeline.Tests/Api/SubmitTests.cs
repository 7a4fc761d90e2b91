using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class SubmitTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_task_that_was_just_accepted_is_known_and_queued()
    {
        var (status, answer) = await Api.PostAsync("tasks", new { type = "echo", project = "shop", @params = new { text = "hi" }, labels = new { ticket = "T-1" } });
        Assert.Equal(HttpStatusCode.Accepted, status);
        Assert.Equal("queued", answer.GetProperty("status").GetString());

        var (found, task) = await Api.GetAsync($"tasks/{answer.GetProperty("task_id").GetString()}");
        Assert.Equal(HttpStatusCode.OK, found);
        Assert.Equal("queued", task.GetProperty("status").GetString());
        Assert.Equal("shop", task.GetProperty("project").GetString());
        Assert.Equal("hi", task.GetProperty("params").GetProperty("text").GetString());
        Assert.Equal("T-1", task.GetProperty("labels").GetProperty("ticket").GetString());
        Assert.Equal(0, task.GetProperty("queue_position").GetInt32());
        Assert.Equal(answer.GetProperty("links").ToString(), task.GetProperty("links").ToString());
    }

    [Fact(Timeout = 60_000)]
    public async Task What_reaches_Kafka_is_the_documented_record_in_the_lane_that_the_links_name()
    {
        var task = await Api.SubmitAsync("hi");
        using var consumer = Cluster.TailConsumer(Confluent.Kafka.IsolationLevel.ReadUncommitted);
        consumer.Assign(new Confluent.Kafka.TopicPartitionOffset(Cluster.Topics.Tasks, task.Lane, task.Offset));
        var record = consumer.Consume(TimeSpan.FromSeconds(20));

        Assert.Equal(task.TaskId, Encoding.UTF8.GetString(record.Message.Key!));
        Assert.True(TaskJson.TryDecodeSubmission(record.Message.Value, out var submission, out _));
        Assert.Equal(("echo", "default", "hi"), (submission!.Type, submission.Project, submission.Params["text"].GetString()));
        Assert.NotNull(submission.SubmittedAt);
        Assert.NotNull(submission.TypeHash);
    }

    [Fact(Timeout = 60_000)]
    public async Task Tasks_are_spread_over_the_lanes_and_a_lane_with_less_to_do_comes_first()
    {
        var tasks = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Api.SubmitAsync()));
        Assert.Equal([2, 2, 2, 2], tasks.GroupBy(task => task.Lane).Select(lane => lane.Count()));

        var done = tasks[3];
        using var attempt = await (await Worker.ClaimAsync(done.Lane)).StartAsync(done);
        await attempt.FinishAsync();
        await Api.UntilAsync(done.TaskId, "it has ended", state => state.GetProperty("status").GetString() == "succeeded");

        Assert.Equal(done.Lane, (await Api.SubmitAsync()).Lane);
        var behind = tasks.Where(task => task.Lane != done.Lane).MaxBy(task => task.Offset)!;
        Assert.Equal(1, (await Api.GetAsync($"tasks/{behind.TaskId}")).Body.GetProperty("queue_position").GetInt32());
    }

    [Fact(Timeout = 60_000)]
    public async Task The_same_id_with_the_same_body_is_the_same_task_also_from_two_replicas_at_once()
    {
        var replica = await ReplicaAsync();
        var body = new { type = "echo", task_id = "order-7", @params = new { text = "hi" } };
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(number => (number % 2 == 0 ? Api : replica).PostAsync("tasks", body)));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Accepted);
        Assert.Equal(5, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.Single(answers.Select(answer => answer.Body.GetProperty("links").GetProperty("self").GetString()).Distinct());

        var (other, problem) = await replica.PostAsync("tasks", new { type = "echo", task_id = "order-7", @params = new { text = "another" } });
        Assert.Equal(HttpStatusCode.Conflict, other);
        Assert.Contains("order-7", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(1, (await Api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }

    [Theory(Timeout = 60_000)]
    [InlineData("""{"type":"sing"}""", "type", "echo, tools")]
    [InlineData("""{}""", "type", "is required: one of echo, tools")]
    [InlineData("""{"type":"tools"}""", "command", "must be one of import, export")]
    [InlineData("""{"type":"tools","command":"dance"}""", "command", "must be one of import, export")]
    [InlineData("""{"type":"echo","command":"dance"}""", "command", "must be left out")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"mood":1}""", "mood", "is not known")]
    [InlineData("""{"type":"echo","params":[]}""", "params", "must be an object")]
    [InlineData("""{"type":7}""", "type", "must be a string")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"task_id":"a/b"}""", "task_id", "must be 1 to 64 characters")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"project":"a b"}""", "project", "must be 1 to 64 characters")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"labels":{"a":1}}""", "labels", "must be an object of strings")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"delay":"soon"}""", "delay", "must be a duration such as 90s")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"delay":-1}""", "delay", "or a number of seconds")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"delay":"400d"}""", "delay", "must be at most 365 days")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"delay":"999999999d"}""", "delay", "must be at most 365 days")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"delay":"9s","run_at":"2999-01-01T00:00:00Z"}""", "delay", "leave one out")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"run_at":"tomorrow"}""", "run_at", "must be a time such as 2026-")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"run_at":"2026-03-01"}""", "run_at", "must be a time such as 2026-")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"run_at":"2999-01-01T00:00:00Z"}""", "run_at", "must be at most 365 days ahead")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"start_by":"2020-01-01T00:00:00Z"}""", "start_by", "must be in the future")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"delay":"1h","deadline":"0s"}""", "deadline", "must be after the time at which the task is to run")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"deadline":"later"}""", "deadline", "or a duration such as 90s")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"priority":"urgent"}""", "priority", "must be one of high, normal, low")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"concurrency":"k"}""", "concurrency", "must be {")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"concurrency":{"limit":2}}""", "concurrency.key", "must be a string of 1 to 200")]
    [InlineData("""{"type":"echo","params":{"text":"x"},"concurrency":{"key":"k","limit":1001}}""", "concurrency.limit", "must be 1 to 1000")]
    public async Task What_is_wrong_with_a_submission_is_named_with_its_field(string body, string field, string expected)
    {
        var (status, problem) = await SendAsync(body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(expected, problem.GetProperty("errors").GetProperty(field)[0].GetString(), StringComparison.Ordinal);
        Assert.Contains(field, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task All_wrong_params_are_named_at_once()
    {
        var (_, problem) = await SendAsync("""{"type":"tools","command":"import","params":{"rows":1},"task_id":"-/-"}""");

        Assert.Equal(["params.file", "params.main_tab", "params.rows", "task_id"], problem.GetProperty("errors").EnumerateObject().Select(error => error.Name).Order());
    }

    [Theory(Timeout = 60_000)]
    [InlineData("{\"type\":\"echo\",\n \"params\":{,}}", "line 2, byte 12")]
    [InlineData("", "line 1")]
    [InlineData("{\"type\":\"echo\",\"type\":\"echo\"}", "type")]
    [InlineData("[]", "object")]
    public async Task Malformed_JSON_is_refused_with_the_place(string body, string expected)
    {
        var (status, problem) = await SendAsync(body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(expected, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData(null)]
    public async Task Only_JSON_is_taken(string? contentType)
    {
        var (status, problem) = await SendAsync("""{"type":"echo","params":{"text":"x"}}""", contentType);

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, status);
        Assert.Contains("application/json", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, (await Api.GetAsync("tasks")).Body.GetProperty("tasks").GetArrayLength());
    }

    [Theory(Timeout = 60_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_that_is_too_large_is_refused(bool isLengthKnown)
    {
        using var content = new StreamContent(new MemoryStream(Encoding.UTF8.GetBytes($$$"""{"type":"echo","params":{"text":"{{{new string('x', 300_000)}}}"}}""")));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, "tasks") { Content = content };
        request.Headers.TransferEncodingChunked = !isLengthKnown;
        using var answer = await Api.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact(Timeout = 60_000)]
    public async Task Task_types_are_listed_with_the_schema_of_their_params()
    {
        var (_, list) = await Api.GetAsync("task-types");

        var import = list.GetProperty("types").EnumerateArray().Single(type => type.TryGetProperty("command", out var command) && command.GetString() == "import");
        Assert.Equal("tools", import.GetProperty("type").GetString());
        Assert.Equal("object", import.GetProperty("params").GetProperty("type").GetString());
        Assert.True(import.GetProperty("params").GetProperty("properties").TryGetProperty("main_tab", out _));
    }

    private async Task<(HttpStatusCode Status, JsonElement Problem)> SendAsync(string body, string? contentType = "application/json")
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = contentType is null ? null : new MediaTypeHeaderValue(contentType);
        using var answer = await Api.Http.PostAsync(new Uri("tasks", UriKind.Relative), content);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        return (answer.StatusCode, JsonElement.Parse(await answer.Content.ReadAsByteArrayAsync()));
    }
}

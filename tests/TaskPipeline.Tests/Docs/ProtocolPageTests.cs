using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Docs;

/// <summary>What the protocol's page shows is what the programs read and write.</summary>
public sealed class ProtocolPageTests(TestBroker broker)
{
    [Theory]
    [InlineData("tasks")]
    [InlineData("task-progress")]
    [InlineData("task-state")]
    [InlineData("lane")]
    [InlineData("task-schedule")]
    [InlineData("task-workers")]
    [InlineData("task-control")]
    [InlineData("task-input")]
    [InlineData("tasks-dlq")]
    public void Records_are_read_and_written_as_shown(string topic)
    {
        var examples = Examples(topic);
        Assert.NotEmpty(examples);
        foreach (var example in examples)
        {
            var written = JsonNode.Parse(Recode(topic, Encoding.UTF8.GetBytes(example)))!.AsObject();
            foreach (var (name, value) in JsonNode.Parse(example)!.AsObject())
                Assert.True(JsonNode.DeepEquals(value, written[name]), $"{name}: the page has {value?.ToJsonString()}, the program {written[name]?.ToJsonString()}");
        }
    }

    [Fact]
    public void Every_kind_of_progress_record_is_shown()
    {
        var kinds = typeof(ProgressRecord).GetCustomAttributes(typeof(System.Text.Json.Serialization.JsonDerivedTypeAttribute), inherit: false)
            .Cast<System.Text.Json.Serialization.JsonDerivedTypeAttribute>().Select(derived => (string)derived.TypeDiscriminator!);
        var shown = Examples("task-progress").Select(example => JsonNode.Parse(example)!["kind"]!.GetValue<string>());
        Assert.Equal(kinds.Order(), shown.Order());
    }

    [Fact(Timeout = 60_000)]
    public async Task Requests_are_accepted_and_events_have_the_fields_that_are_shown()
    {
        var catalogue = Path.Combine(BuildOutput.Repository, "task-types.yaml");
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 4);
        await using var api = await ApiUnderTest.StartAsync(broker, pipeline.Prefix, $"--Catalogue:File={catalogue}");
        foreach (var example in Examples("POST /tasks"))
        {
            using var body = new StringContent(example, Encoding.UTF8, "application/json");
            using var answer = await api.Http.PostAsync(new Uri("tasks", UriKind.Relative), body, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        }

        var id = await pipeline.SubmitAsync("stubborn");
        await Eventually.TrueAsync("the API knows the task", async () => (await api.GetAsync($"tasks/{id}")).Status == HttpStatusCode.OK, TestPipeline.MaxWait);
        await using var viewer = await WatchClient.ConnectAsync(api, $"/tasks/{id}/watch");
        await viewer.UntilAsync("lines");
        Assert.Equal(HttpStatusCode.Accepted, (await api.PostAsync($"tasks/{id}/emit", JsonNode.Parse(Examples("POST /tasks/{id}/emit").Single()))).Status);
        await viewer.SendAsync("STOP");
        await viewer.ToTheEndAsync();
        foreach (var example in Examples("event").Select(text => JsonDocument.Parse(text).RootElement).Where(example => WatchClient.TypeOf(example) is not "gap" && !example.TryGetProperty("due_at", out _)))
        {
            var real = viewer.Events.First(told => WatchClient.TypeOf(told) == WatchClient.TypeOf(example) && (WatchClient.TypeOf(told) != "state" || told.TryGetProperty("worker", out _)));
            Assert.Equal(example.EnumerateObject().Select(field => (field.Name, field.Value.ValueKind)).Order(), real.EnumerateObject().Select(field => (field.Name, field.Value.ValueKind)).Order());
        }
    }

    private static byte[] Recode(string topic, byte[] value) => topic switch
    {
        "tasks" => TaskJson.TryDecodeSubmission(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        "task-progress" => TaskJson.TryDecodeProgress(value, out _, out _) ? TaskJson.Encode(JsonSerializer.Deserialize(value, TaskJson.Wire.ProgressRecord)!) : [],   // with the update of lines
        "task-state" => TaskJson.TryDecodeState(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        "lane" => TaskJson.TryDecodeLane(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        "task-schedule" => TaskJson.TryDecodeScheduled(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        "task-workers" => TaskJson.TryDecodeHeartbeat(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        "task-input" => TaskJson.TryDecodeInput(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        "task-control" => TaskJson.TryDecodeControl(value, out var record, out _) ? TaskJson.Encode(record!) : [],
        _ when TaskJson.TryDecodeResolution(value, out var record, out _) => TaskJson.Encode(record!),
        _ => TaskJson.TryDecodeDeadLetter(value, out var record, out _) ? TaskJson.Encode(record!) : [],
    };

    private static List<string> Examples(string name)
    {
        var examples = new List<string>();
        var page = File.ReadAllLines(Path.Combine(BuildOutput.Repository, "docs", "protocol.md"));
        for (var i = 0; i < page.Length; i++)
            if (page[i] == $"```json {name}")
                examples.Add(page[++i]);
        return examples;
    }
}

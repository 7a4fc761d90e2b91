using System.Net;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class DocsTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 60_000)]
    public async Task Every_route_is_described_with_a_summary_and_its_schemas()
    {
        var (status, document) = await Api.GetAsync("openapi/v1.json");

        Assert.Equal(HttpStatusCode.OK, status);
        var operations = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(operation => (Name: $"{operation.Name} {path.Name}", operation.Value))).ToList();
        Assert.Equal(
            [
                "get /dead-letters", "get /dead-letters/redrives/{id}", "get /dead-letters/{id}", "get /events", "get /healthz", "get /queue", "get /readyz", "get /task-types", "get /tasks", "get /tasks/{id}", "get /tasks/{id}/artifacts", "get /tasks/{id}/artifacts/{attempt}/{name}",
                "get /tasks/{id}/events", "get /tasks/{id}/output", "get /tasks/{id}/watch", "get /watch", "get /workers", "post /dead-letters/redrive", "post /dead-letters/{id}/discard",
                "post /dead-letters/{id}/redrive", "post /files", "post /tasks", "post /tasks/{id}/emit", "post /tasks/{id}/input", "post /tasks/{id}/pause", "post /tasks/{id}/release", "post /tasks/{id}/replay", "post /tasks/{id}/resume", "post /tasks/{id}/stop",
            ],
            operations.Select(operation => operation.Name).Order(StringComparer.Ordinal));
        Assert.All(operations, operation => Assert.NotEmpty(operation.Value.GetProperty("summary").GetString()!));
        var schemas = document.GetProperty("components").GetProperty("schemas");
        Assert.Equal(["type"], schemas.GetProperty("SubmitTask").GetProperty("required").EnumerateArray().Select(field => field.GetString()));
        Assert.True(schemas.GetProperty("TaskDetail").GetProperty("properties").TryGetProperty("queue_position", out _));
        Assert.Equal("integer", schemas.GetProperty("TaskDetail").GetProperty("properties").GetProperty("attempt").GetProperty("type").GetString());
        Assert.Contains("\"tail\"", operations.Single(operation => operation.Name == "get /tasks/{id}/events").Value.GetProperty("parameters").ToString(), StringComparison.Ordinal);
        foreach (var repeatable in new[] { "post /tasks", "post /tasks/{id}/stop", "post /tasks/{id}/pause", "post /tasks/{id}/resume", "post /tasks/{id}/replay", "post /tasks/{id}/emit", "post /tasks/{id}/input", "post /dead-letters/{id}/redrive", "post /dead-letters/redrive" })
            Assert.Contains("Idempotency-Key", operations.Single(operation => operation.Name == repeatable).Value.GetProperty("parameters").ToString(), StringComparison.Ordinal);
        Assert.Contains("timed_out", schemas.GetProperty("Status").ToString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_interactive_page_loads_nothing_from_elsewhere()
    {
        using var page = await Api.Http.GetAsync("docs/index.html");
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        foreach (var file in new[] { "swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "index.js" })
        {
            using var answer = await Api.Http.GetAsync("docs/" + file);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
        Assert.Contains("/openapi/v1.json", await Api.Http.GetStringAsync("docs/index.js"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_root_leads_to_the_page_and_the_page_runs_nothing_that_is_not_its_own()
    {
        using var page = await Api.Http.GetAsync("");
        Assert.EndsWith("/ui/", page.RequestMessage!.RequestUri!.AbsolutePath, StringComparison.Ordinal);
        var policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Contains("script-src 'self'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("innerHTML", await Api.Http.GetStringAsync("ui/ui.js"), StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task Ready_and_healthy_say_so()
    {
        Assert.Equal("ready", (await Api.GetAsync("readyz")).Body.GetProperty("status").GetString());
        Assert.Equal("healthy", (await Api.GetAsync("healthz")).Body.GetProperty("status").GetString());
    }
}

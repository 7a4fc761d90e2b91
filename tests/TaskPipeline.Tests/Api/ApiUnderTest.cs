using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using TaskPipeline.TaskApi;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>A whole API in this process, on a free port, with real sockets.</summary>
internal sealed class ApiUnderTest : IAsyncDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private readonly WebApplication _app;

    private ApiUnderTest(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Urls.Single());
        Http = new HttpClient { BaseAddress = Address, Timeout = MaxWait };
    }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public IServiceProvider Services => _app.Services;

    /// <summary>Comes back when the API is ready.</summary>
    public static async Task<ApiUnderTest> StartAsync(TestBroker broker, string prefix, params IReadOnlyList<string> more)
    {
        var api = await StartUnreadyAsync(broker, prefix, more);
        await api.ReadyAsync();
        return api;
    }

    public static async Task<ApiUnderTest> StartUnreadyAsync(TestBroker broker, string prefix, params IReadOnlyList<string> more)
    {
        var app = ApiHost.Build(
        [
            .. broker.Settings(prefix).Select(setting => $"--{setting.Key}={setting.Value}"),
            "--urls=http://127.0.0.1:0",
            $"--Catalogue:File={Path.Combine(AppContext.BaseDirectory, "Api", "task-types.yaml")}",
            "--Logging:Level=Error",
            .. more,
        ]);
        await app.StartAsync();
        return new ApiUnderTest(app);
    }

    public Task ReadyAsync() =>
        Eventually.TrueAsync("the API is ready", async () => (await Http.GetAsync(new Uri("readyz", UriKind.Relative))).StatusCode == HttpStatusCode.OK, MaxWait);

    /// <summary>Submits a task of the type <c>echo</c>.</summary>
    public Task<Submitted> SubmitAsync(string text = "hello", string? project = null) =>
        SubmitAsync(new { type = "echo", project = project ?? "default", @params = new { text } });

    public async Task<Submitted> SubmitAsync(object body)
    {
        var (status, answer) = await PostAsync("tasks", body);
        Assert.Equal(HttpStatusCode.Accepted, status);
        return new Submitted(answer);
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, object? body = null, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (key is not null)
            request.Headers.Add("Idempotency-Key", key);
        using var answer = await Http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> GetAsync(string path)
    {
        using var answer = await Http.GetAsync(path);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    /// <summary>Waits for what the API learns from Kafka in its own time.</summary>
    public Task UntilAsync(string taskId, string reason, Func<JsonElement, bool> condition) =>
        Eventually.TrueAsync(reason, async () => await GetAsync($"tasks/{taskId}") is (HttpStatusCode.OK, var found) && condition(found), MaxWait);

    public Task StopAsync(CancellationToken cancellationToken = default) => _app.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}

/// <summary>What <c>POST /tasks</c> answered.</summary>
internal sealed class Submitted(JsonElement answer)
{
    public string TaskId { get; } = answer.GetProperty("task_id").GetString()!;
    public int Lane { get; } = NumberIn(answer, "lane");

    /// <summary>In <c>tasks</c>; -1 where the task was scheduled.</summary>
    public int Offset { get; } = NumberIn(answer, "offset");

    /// <summary>When it is due, where it was scheduled.</summary>
    public DateTimeOffset DueAt { get; } = answer.TryGetProperty("due_at", out var dueAt) ? dueAt.GetDateTimeOffset() : default;

    public string Link(string name) => answer.GetProperty("links").GetProperty(name).GetString()!;

    private static int NumberIn(JsonElement answer, string name) =>
        int.Parse(System.Web.HttpUtility.ParseQueryString(answer.GetProperty("links").GetProperty("self").GetString()!.Split('?')[1])[name] ?? "-1");
}

using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.AgentCli.Tests;

/// <summary>An OpenAI-compatible endpoint on a free port that answers as the test says.</summary>
internal sealed class FakeModel : IAsyncDisposable
{
    private readonly WebApplication _server;

    private FakeModel(WebApplication server)
    {
        _server = server;
    }

    public string Address { get; private set; } = "";

    public JsonElement Request { get; private set; }

    public string? Authorization { get; private set; }

    public static async Task<FakeModel> StartAsync(Func<HttpContext, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var model = new FakeModel(builder.Build());
        model._server.MapPost("/v1/chat/completions", async context =>
        {
            model.Authorization = context.Request.Headers.Authorization;
            model.Request = await JsonSerializer.DeserializeAsync<JsonElement>(context.Request.Body);
            await answer(context);
        });
        await model._server.StartAsync();
        var addresses = ((IApplicationBuilder)model._server).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses;
        model.Address = addresses.Single() + "/v1";
        return model;
    }

    public static async Task SayAsync(HttpContext context, string token)
    {
        if (!context.Response.HasStarted)
            context.Response.ContentType = "text/event-stream";
        var chunk = JsonSerializer.Serialize(new { choices = new[] { new { delta = new { content = token } } } });
        await context.Response.WriteAsync($"data: {chunk}\n\n");
        await context.Response.Body.FlushAsync();
    }

    public static async Task EndAsync(HttpContext context)
    {
        await context.Response.WriteAsync("data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n");
    }

    public void Configure(Workplace workplace)
    {
        workplace.Environment["OPENAI_BASE_URL"] = Address;
        workplace.Environment["OPENAI_API_KEY"] = "k3y";
        workplace.Environment["OPENAI_MODEL"] = "tiny";
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
    }
}

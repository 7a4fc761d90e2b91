using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.Bench.Driving;

/// <summary>A project-config API that knows every project and answers at once.</summary>
internal sealed class ProjectConfigStub : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ProjectConfigStub(WebApplication app) => _app = app;

    public string Url => _app.Urls.First();

    public static async Task<ProjectConfigStub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapGet("/projects/{project}", () => Results.Text("""{"db_conn":"bench.db","paths":{},"env":{}}""", "application/json"));
        await app.StartAsync();
        return new ProjectConfigStub(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

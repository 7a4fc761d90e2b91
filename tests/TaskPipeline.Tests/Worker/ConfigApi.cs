using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace TaskPipeline.Tests.Worker;

/// <summary>A project-config API over real HTTP. It has the project <c>default</c>, and those that a test adds or makes fail.</summary>
internal sealed class ConfigApi : IAsyncDisposable
{
    private readonly WebApplication _app;
    private ConfigApi(WebApplication app) => _app = app;

    public string Url => _app.Urls.First();
    public string Data { get; } = Directory.CreateTempSubdirectory("taskpipeline-project-").FullName;

    /// <summary>Projects by name, with their environment.</summary>
    public ConcurrentDictionary<string, (string DbConn, Dictionary<string, string> Env)> Projects { get; } = new() { ["default"] = ("project.db", []) };

    /// <summary>Projects that are answered with a status instead.</summary>
    public ConcurrentDictionary<string, HttpStatusCode> Failing { get; } = [];

    public static async Task<ConfigApi> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var api = new ConfigApi(app);
        app.MapGet("/projects/{project}", (string project) =>
        {
            if (api.Failing.TryGetValue(project, out var status))
                return Results.StatusCode((int)status);
            return api.Projects.TryGetValue(project, out var found)
                ? Results.Json(new Dictionary<string, object> { ["db_conn"] = found.DbConn, ["paths"] = new { data = api.Data }, ["env"] = found.Env })
                : Results.NotFound();
        });
        await app.StartAsync();
        return api;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(Data, recursive: true);
    }
}

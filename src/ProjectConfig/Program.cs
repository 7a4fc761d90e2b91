using Microsoft.Extensions.Options;
using TaskPipeline.ProjectConfig;
using TaskPipeline.Shared.Hosting;

const string DefaultAddress = "http://127.0.0.1:8081";
const string LoopbackNames = "localhost;127.0.0.1;[::1]";

var builder = WebApplication.CreateBuilder(HostArguments.For(args));
builder.AddPipelineLogging();
builder.AddParentWatch();
builder.WebHost.UseUrls(builder.Configuration["urls"] ?? DefaultAddress);
// The answers contain connection strings, so no web page must reach them by DNS rebinding.
builder.Configuration["AllowedHosts"] ??= LoopbackNames;
builder.Services.AddProblemDetails();
builder.Services.AddOptions<ProjectsOptions>().BindConfiguration(ProjectsOptions.Section);
builder.Services.AddSingleton<ProjectFile>();

var app = builder.Build();
app.UseExceptionHandler();
app.UseStatusCodePages();
app.MapGet("/healthz", () => "ok");
app.MapProjects();
try
{
    app.Services.GetRequiredService<ProjectFile>().Read();
    await app.RunAsync();
    return 0;
}
catch (OperationCanceledException)
{
    return 0;   // a stop was requested before the start was complete
}
catch (ProjectFileException exception)
{
    await Console.Error.WriteLineAsync($"ProjectConfig cannot start: {exception.Message}");
    return ExitCodes.BadConfiguration;
}

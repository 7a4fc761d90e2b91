using Microsoft.Net.Http.Headers;
using Serilog;
using Serilog.Events;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Logs one line per request, except for watchers: theirs would appear only when they leave, and each of ten thousand would hold memory for it.
/// </summary>
internal static class RequestLogging
{
    private const string EventStream = "text/event-stream";

    public static WebApplication UseRequestLogging(this WebApplication app)
    {
        app.UseWhen(context => !IsWatcher(context.Request), logged => logged.UseSerilogRequestLogging(options =>
            (options.Logger, options.GetLevel) = (app.Services.GetRequiredService<Serilog.ILogger>(), LevelOf)));   // otherwise it uses Serilog's static logger
        return app;
    }

    private static bool IsWatcher(HttpRequest request) =>
        request.Headers.ContainsKey(HeaderNames.Upgrade) || request.Headers.Accept.ToString().Contains(EventStream, StringComparison.OrdinalIgnoreCase);

    /// <summary>While Kafka does not answer, every answer is 503; that is logged once elsewhere.</summary>
    private static LogEventLevel LevelOf(HttpContext context, double milliseconds, Exception? exception) =>
        exception is not null || context.Response.StatusCode is >= StatusCodes.Status500InternalServerError and not StatusCodes.Status503ServiceUnavailable
            ? LogEventLevel.Error
        : HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method) ? LogEventLevel.Debug
        : LogEventLevel.Information;
}

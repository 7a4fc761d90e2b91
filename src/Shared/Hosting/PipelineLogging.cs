using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Events;
using Serilog.Formatting.Compact;

namespace TaskPipeline.Shared.Hosting;

/// <summary>
/// The log of every process: one readable line per event, or compact JSON (CLEF) with <c>Logging:Json=true</c>; <c>Logging:Level</c> sets the level.
/// </summary>
public static class PipelineLogging
{
    private const string Line = "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}{NewLine}{Exception}";

    public static IHostApplicationBuilder AddPipelineLogging(this IHostApplicationBuilder builder)
    {
        var level = builder.Configuration.GetValue("Logging:Level", LogEventLevel.Information);
        var logger = new LoggerConfiguration()
            .MinimumLevel.Is(level)
            .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
            .MinimumLevel.Override("System", LogEventLevel.Warning)
            // a host that does not start reports the reason itself, in a sentence
            .MinimumLevel.Override("Microsoft.Extensions.Hosting.Internal.Host", LogEventLevel.Fatal)
            // otherwise an activity and a scope for each request, and so for each of ten thousand watchers
            .MinimumLevel.Override("Microsoft.AspNetCore.Hosting.Diagnostics", LevelAlias.Off)
            .Filter.ByExcluding(logged => logged.Exception is Microsoft.AspNetCore.SignalR.HubException)   // these are answers to clients' errors
            .Enrich.FromLogContext();
        if (builder.Configuration.GetValue("Logging:Json", false))
            logger.WriteTo.Console(new RenderedCompactJsonFormatter());
        else
            logger.WriteTo.Console(outputTemplate: Line, formatProvider: System.Globalization.CultureInfo.InvariantCulture);
        builder.Logging.ClearProviders();
        builder.Services.AddSerilog(logger.CreateLogger(), dispose: true);
        return builder;
    }
}

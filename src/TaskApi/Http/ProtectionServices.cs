using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Http;

internal static class ProtectionServices
{
    public const int MostBodyBytes = 256 * 1024;

    public static WebApplicationBuilder AddProtection(this WebApplicationBuilder builder)
    {
        builder.Services.AddAnnotatedOptions<ApiOptions>(ApiOptions.Section);
        builder.Services.AddSingleton<IValidateOptions<ApiOptions>, ApiOptionsValidator>();
        ListenAddresses.Apply(builder);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.ConfigureEndpointDefaults(DirectOutput.Use);
            kestrel.Limits.MaxRequestBodySize = MostBodyBytes;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(1);   // for connections without a request; a watch is a request
        });
        return builder;
    }

    public static IApplicationBuilder UseProtection(this IApplicationBuilder app)
    {
        var clock = app.ApplicationServices.GetRequiredService<BrokerClock>();
        app.Use((context, next) =>
        {
            if (clock.IsCorrected)
                context.Response.Headers.Date = clock.GetUtcNow().ToString("R");   // the times in answers are from this clock
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.Headers.CacheControl = "no-store";
            return next(context);
        });
        return app.UseMiddleware<CallerCheck>();
    }
}

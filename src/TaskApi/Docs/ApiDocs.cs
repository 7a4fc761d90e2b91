namespace TaskPipeline.TaskApi.Docs;

/// <summary>Serves the OpenAPI document, the AsyncAPI document and an interactive page for the calls, all from the assembly.</summary>
internal static class ApiDocs
{
    // The page has inline styles, but no inline scripts.
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; "
        + "font-src 'self'; base-uri 'none'; frame-ancestors 'none'";

    public static IServiceCollection AddDocs(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "TaskPipeline";
            document.Info.Description = "Runs command-line agents as durable tasks and shows every line they print, live.";
            document.Servers = [];   // relative to where the document was fetched
            return Task.CompletedTask;
        });
    });

    public static WebApplication MapDocs(this WebApplication app)
    {
        app.MapOpenApi();
        app.MapGet("/asyncapi/v1.json", () => TypedResults.Stream(typeof(ApiDocs).Assembly.GetManifestResourceStream("asyncapi.json")!, "application/json"))
            .ExcludeFromDescription();
        app.UseWhen(context => context.Request.Path.StartsWithSegments("/docs"), docs => docs.Use((context, next) =>
        {
            context.Response.Headers.ContentSecurityPolicy = Policy;
            return next(context);
        }));
        app.UseSwaggerUI(page =>
        {
            page.RoutePrefix = "docs";
            page.DocumentTitle = "TaskPipeline API";
            page.SwaggerEndpoint("/openapi/v1.json", "TaskPipeline");
        });
        return app;
    }
}

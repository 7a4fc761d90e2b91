namespace TaskPipeline.TaskApi.Docs;

/// <summary>The API's descriptions, of its calls and of what is watched, and an interactive page for the calls; all served from the assembly.</summary>
internal static class ApiDocs
{
    // The page's own style sheet is partly inline; its scripts are not.
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; "
        + "font-src 'self'; base-uri 'none'; frame-ancestors 'none'";

    public static IServiceCollection AddDocs(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "TaskPipeline";
            document.Info.Description = "Runs command-line agents as durable tasks and shows every line they print, live.";
            document.Servers = [];   // wherever this document was fetched from
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

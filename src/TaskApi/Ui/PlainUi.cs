using Microsoft.AspNetCore.StaticFiles;

namespace TaskPipeline.TaskApi.Ui;

/// <summary>The built-in page: list, submit a sample, watch, stop. Its files are embedded in the assembly, so they need no build and no deployment.</summary>
internal static class PlainUi
{
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'";

    private static readonly FileExtensionContentTypeProvider ContentTypes = new();

    public static WebApplication MapPlainUi(this WebApplication app)
    {
        app.MapGet("/", () => TypedResults.Redirect("/ui/")).ExcludeFromDescription();
        app.MapGet("/ui/{file?}", Serve).ExcludeFromDescription();
        return app;
    }

    private static IResult Serve(HttpContext context, string? file)
    {
        if (file is null && !context.Request.Path.Value!.EndsWith('/'))
            return TypedResults.Redirect("/ui/");
        var name = file ?? "index.html";
        if (typeof(PlainUi).Assembly.GetManifestResourceStream("ui/" + name) is not { } content || !ContentTypes.TryGetContentType(name, out var type))
            return TypedResults.NotFound();
        context.Response.Headers.ContentSecurityPolicy = Policy;
        context.Response.Headers.CacheControl = "no-cache";
        return TypedResults.Stream(content, type);
    }
}

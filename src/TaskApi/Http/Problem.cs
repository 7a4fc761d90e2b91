using System.Net.Mime;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.WebUtilities;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// An RFC 9457 problem document. Every error of this API is one, whatever the request accepts: an <c>EventSource</c> accepts only event streams, but
/// its developer still wants to read the error.
/// </summary>
internal sealed class Problem(int status, string detail) : IResult, IStatusCodeHttpResult
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public int? StatusCode => status;

    public string Detail => detail;

    /// <summary>Field → what is wrong with it.</summary>
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    public static Problem UnknownTask(string taskId) => new(StatusCodes.Status404NotFound, $"There is no task '{taskId}'");

    /// <summary>Kafka did not acknowledge a record in time.</summary>
    public static Problem NotTaken(string detail) => new(StatusCodes.Status503ServiceUnavailable, detail) { RetryAfter = TimeSpan.FromSeconds(5) };

    public static Problem NotReady(string reason) =>
        new(StatusCodes.Status503ServiceUnavailable, $"Not ready: {reason}") { RetryAfter = TimeSpan.FromSeconds(2) };

    public static Problem Invalid(string field, string message) => Invalid(new Dictionary<string, string[]> { [field] = [message] });

    /// <summary>All errors of a request, by field.</summary>
    /// <param name="wayOut">A sentence that says what to do, if the field errors do not show it.</param>
    public static Problem Invalid(IReadOnlyDictionary<string, string[]> errors, string? wayOut = null)
    {
        var sentences = errors.SelectMany(error => error.Value.Select(text => $"{error.Key} {text}"));
        return new(StatusCodes.Status400BadRequest, string.Join("; ", wayOut is null ? sentences : sentences.Append(wayOut))) { Errors = errors };
    }

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var document = new JsonObject { ["type"] = "about:blank", ["title"] = ReasonPhrases.GetReasonPhrase(status), ["status"] = status, ["detail"] = detail };
        if (Errors is not null)
            document["errors"] = new JsonObject(
                Errors.Select(error => KeyValuePair.Create(error.Key, (JsonNode?)new JsonArray([.. error.Value.Select(text => JsonValue.Create(text))]))));
        var response = httpContext.Response;
        response.StatusCode = status;
        response.ContentType = MediaTypeNames.Application.ProblemJson;
        if (RetryAfter is { } retryAfter)
            response.Headers.RetryAfter = ((int)retryAfter.TotalSeconds).ToString();
        await response.WriteAsync(document.ToJsonString(Relaxed), httpContext.RequestAborted);
    }
}

internal static partial class ProblemPages
{
    /// <summary>Turns exceptions, and errors without a body, into problem documents. Stack traces go only to the log.</summary>
    public static WebApplication UseProblems(this WebApplication app)
    {
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            ExceptionHandler = context =>
            {
                var error = context.Features.Get<IExceptionHandlerFeature>()!.Error;
                if (error is not BadHttpRequestException)
                    LogFailed(app.Logger, error, context.Request.Method, context.Request.Path);
                return Of(error).ExecuteAsync(context);
            },
            SuppressDiagnosticsCallback = _ => true,   // the framework's log line does not name the request
        });
        app.UseStatusCodePages(context => new Problem(context.HttpContext.Response.StatusCode, Explain(context.HttpContext)).ExecuteAsync(context.HttpContext));
        return app;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    private static partial void LogFailed(ILogger logger, Exception exception, string method, PathString path);

    private static Problem Of(Exception exception) => exception switch
    {
        BadHttpRequestException refused => new Problem(refused.StatusCode, refused.Message),
        _ => new Problem(StatusCodes.Status500InternalServerError, "The API failed on this request; its log says why"),
    };

    private static string Explain(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => $"There is nothing at {context.Request.Path}; /docs lists the calls",
        StatusCodes.Status405MethodNotAllowed => $"{context.Request.Method} is not allowed here; Allow: {context.Response.Headers.Allow}",
        StatusCodes.Status415UnsupportedMediaType => "Send JSON, with Content-Type: application/json",
        var status => ReasonPhrases.GetReasonPhrase(status),
    };
}

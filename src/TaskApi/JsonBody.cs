using System.Text.Json;

namespace TaskPipeline.TaskApi;

/// <summary>The JSON object in a request's body, or why there is none.</summary>
internal readonly record struct JsonBody(JsonElement Content, Problem? Problem)
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    private static readonly string[] NotKnown = ["is not known"];

    /// <summary>For requests whose body may be left out.</summary>
    public static bool IsMissing(HttpRequest request) => request.ContentLength is null or 0 && request.Headers.TransferEncoding.Count == 0;

    /// <summary>Only JSON is read, also because a web page can send forms and plain text to strangers without asking, but not JSON.</summary>
    public static async Task<JsonBody> ReadAsync(HttpRequest request, params IReadOnlyList<string> fields)
    {
        if (!request.HasJsonContentType())
            return Refuse(StatusCodes.Status415UnsupportedMediaType, $"Send JSON, with Content-Type: application/json instead of '{request.ContentType}'");
        try
        {
            using var document = await JsonDocument.ParseAsync(request.Body, Strict, request.HttpContext.RequestAborted);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return Refuse(StatusCodes.Status400BadRequest, "The body must be a JSON object");
            var unknown = document.RootElement.EnumerateObject().Select(property => property.Name).Where(name => !fields.Contains(name)).ToArray();
            return unknown.Length == 0
                ? new JsonBody(document.RootElement.Clone(), null)
                : new JsonBody(default, new Problem(StatusCodes.Status400BadRequest, $"Unknown: {string.Join(", ", unknown)}. Known: {string.Join(", ", fields)}")
                {
                    Errors = unknown.ToDictionary(name => name, _ => NotKnown),
                });
        }
        catch (JsonException malformed)
        {
            return Refuse(StatusCodes.Status400BadRequest, $"The body is not valid JSON at line {malformed.LineNumber + 1}, byte {malformed.BytePositionInLine + 1}: {Reason(malformed)}");
        }
        catch (BadHttpRequestException refused)
        {
            var tooLarge = refused.StatusCode == StatusCodes.Status413PayloadTooLarge;
            return Refuse(refused.StatusCode, tooLarge ? $"A body may have at most {Protection.ProtectionServices.MostBodyBytes} bytes" : refused.Message);
        }
    }

    private static JsonBody Refuse(int status, string detail) => new(default, new Problem(status, detail));

    // The library's message ends with the position, counted from 0.
    private static string Reason(JsonException malformed) => malformed.Message.Split(" LineNumber:")[0];
}

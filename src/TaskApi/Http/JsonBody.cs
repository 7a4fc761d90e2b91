using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Http;

/// <summary>The JSON object in a request's body, or the problem with it.</summary>
internal readonly record struct JsonBody(JsonElement Content, Problem? Problem)
{
    /// <summary>Limit for request bodies. Records in Kafka and answers add levels around them, and readers accept 64 levels.</summary>
    public const int MostLevels = 32;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private static readonly string[] NotKnown = ["is not known"];

    /// <summary>For requests whose body may be left out.</summary>
    public static bool IsMissing(HttpRequest request) => request.ContentLength is null or 0 && request.Headers.TransferEncoding.Count == 0;

    /// <summary>
    /// Accepts only JSON, also because a browser lets a web page send forms and plain text to other origins without a preflight, but not JSON.
    /// </summary>
    public static async Task<JsonBody> ReadAsync(HttpRequest request, params IReadOnlyList<string> fields)
    {
        if (!request.HasJsonContentType())
            return Refuse(StatusCodes.Status415UnsupportedMediaType, $"Send JSON, with Content-Type: application/json instead of '{request.ContentType}'");
        try
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
            return Read(body.GetBuffer().AsMemory(0, (int)body.Length), fields);
        }
        catch (BadHttpRequestException refused)
        {
            var tooLarge = refused.StatusCode == StatusCodes.Status413PayloadTooLarge;
            return Refuse(refused.StatusCode, tooLarge ? $"A body may have at most {ProtectionServices.MostBodyBytes} bytes" : refused.Message);
        }
    }

    private static JsonBody Read(ReadOnlyMemory<byte> bytes, IReadOnlyList<string> fields)
    {
        if (bytes.Span.StartsWith(Encoding.UTF8.Preamble))
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        if (JsonText.Check(bytes.Span, MostLevels) is { } error)
            return new JsonBody(default, ProblemOf(error, bytes.Span));
        try
        {
            using var document = JsonDocument.Parse(bytes, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return Refuse(StatusCodes.Status400BadRequest, "The body must be a JSON object");
            var unknown = document.RootElement.EnumerateObject().Select(property => property.Name).Where(name => !fields.Contains(name)).ToArray();
            if (unknown.Length == 0)
                return new JsonBody(document.RootElement.Clone(), null);
            var detail = $"Unknown: {string.Join(", ", unknown)}. Known: {string.Join(", ", fields)}";
            return new JsonBody(default, new Problem(StatusCodes.Status400BadRequest, detail) { Errors = unknown.ToDictionary(name => name, _ => NotKnown) });
        }
        catch (JsonException twice)   // only duplicate names are left to find
        {
            return Refuse(StatusCodes.Status400BadRequest, $"The body is not valid JSON: {twice.Message}");
        }
    }

    private static Problem ProblemOf(JsonTextError error, ReadOnlySpan<byte> bytes)
    {
        var (line, at) = error.PlaceIn(bytes);
        return error.Path.Length == 0
            ? new Problem(StatusCodes.Status400BadRequest, $"The body at line {line}, byte {at} {error.Reason}")
            : Problem.Invalid(error.Path, $"{error.Reason} (line {line}, byte {at} of the body)");
    }

    private static JsonBody Refuse(int status, string detail) => new(default, new Problem(status, detail));
}

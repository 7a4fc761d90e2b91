namespace TaskPipeline.TaskApi.Http;

/// <summary>The header <c>Idempotency-Key</c>: two requests with the same key have one effect.</summary>
internal static class IdempotencyKey
{
    public const string Header = "Idempotency-Key";
    private const int Longest = 200;

    public static (string? Key, Problem? Problem) Of(HttpRequest request)
    {
        if (!request.Headers.TryGetValue(Header, out var values))
            return (null, null);
        return values is [{ Length: >= 1 and <= Longest } key] && !key.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? (key, null)
            : (null, Problem.Invalid(Header, $"must be 1 to {Longest} printable ASCII characters"));
    }

    public static Problem UsedOtherwise(string key) =>
        new(StatusCodes.Status409Conflict, $"{Header} '{key}' was used for another request; send the same body as before, or a new key");
}

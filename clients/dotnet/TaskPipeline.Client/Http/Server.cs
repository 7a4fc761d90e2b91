using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace TaskPipeline.Client;

/// <summary>Requests to one server. Every failure becomes a <see cref="TaskPipelineException"/>.</summary>
internal sealed class Server
{
    private const string KeyHeader = "Idempotency-Key";

    public Server(Uri address, HttpClient http)
    {
        if (!address.IsAbsoluteUri || address.Scheme is not ("http" or "https"))
            throw new ArgumentException($"The server's address begins with http:// or https://, not '{address}'", nameof(address));
        Address = address.AbsoluteUri.EndsWith('/') ? address : new Uri(address.AbsoluteUri + "/");
        Http = http;
    }

    public Uri Address { get; }

    public HttpClient Http { get; }

    /// <summary>Address of a watch socket.</summary>
    public Uri SocketAddress(string path) => new UriBuilder(new Uri(Address, path)) { Scheme = Address.Scheme == "https" ? "wss" : "ws" }.Uri;

    public static string TaskPath(string taskId, string rest = "")
    {
        ArgumentException.ThrowIfNullOrEmpty(taskId);
        return $"tasks/{Uri.EscapeDataString(taskId)}{rest}";
    }

    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, path));
        using var answer = await SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    /// <summary>Returns once the headers are read; the body is still to be read.</summary>
    public async Task<HttpResponseMessage> OpenAsync(string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, path));
        return await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    public async Task<T> PostAsync<T>(string path, HttpContent? body, string? key, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address, path)) { Content = body };
        if (key is not null && !request.Headers.TryAddWithoutValidation(KeyHeader, key))
            throw new ArgumentException($"'{key}' is not a valid {KeyHeader}: it must have 1 to 200 printable ASCII characters", nameof(key));
        using var answer = await SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    public ServerUnreachableException Unreachable(Exception cause) =>
        new($"The server at {Address} cannot be reached: {cause.Message}", cause);

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await Http.SendAsync(request, completion, cancellationToken);
            if (answer.IsSuccessStatusCode)
                return answer;
            using (answer)
                throw await RefusalAsync(answer, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw Unreachable(exception);
        }
        catch (OperationCanceledException exception) when (exception.InnerException is TimeoutException timeout)
        {
            throw Unreachable(timeout);   // the timeout of HttpClient
        }
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        try
        {
            return await answer.Content.ReadFromJsonAsync(type, cancellationToken) ?? throw new JsonException("it is null");
        }
        catch (JsonException exception)
        {
            throw new TaskPipelineException($"The answer to {answer.RequestMessage!.RequestUri} is not one of a TaskPipeline: {exception.Message}", exception);
        }
    }

    private static async Task<TaskPipelineException> RefusalAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        var problem = await ProblemOfAsync(answer, cancellationToken);
        return new TaskPipelineException(problem?.Detail ?? $"{answer.RequestMessage!.RequestUri} answered {(int)answer.StatusCode} {answer.ReasonPhrase}")
        {
            Status = answer.StatusCode,
            Errors = problem?.Errors?.ToDictionary(error => error.Key, error => (IReadOnlyList<string>)error.Value) ?? [],
            RetryAfter = answer.Headers.RetryAfter?.Delta,
        };
    }

    private static async Task<ProblemDocument?> ProblemOfAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.Content.Headers.ContentType?.MediaType != "application/problem+json")
            return null;   // a proxy answered
        try
        {
            return await answer.Content.ReadFromJsonAsync(ClientJson.Default.ProblemDocument, cancellationToken);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>The fields of an RFC 9457 problem that this client uses.</summary>
internal sealed record ProblemDocument
{
    public string? Detail { get; init; }
    public Dictionary<string, string[]>? Errors { get; init; }
}

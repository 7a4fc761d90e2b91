using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace TaskPipeline.AgentCli.Summarising;

/// <summary>Streamed chat completions. Every failure is a <see cref="ModelException"/> with one line.</summary>
internal sealed class ChatModel(ModelEndpoint endpoint) : IDisposable
{
    // A reasoning model is silent for a long time; after this time the connection counts as lost.
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(2);

    private readonly HttpClient _http = new() { Timeout = Timeout.InfiniteTimeSpan };

    public async IAsyncEnumerable<string> TokensAsync(string instruction, string material, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(LongestSilence);
        using var response = await ExplainedAsync(() => AskAsync(instruction, material, silence.Token), cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using var events = SseParser.Create(stream).EnumerateAsync(silence.Token).GetAsyncEnumerator(silence.Token);
        while (await ExplainedAsync(() => events.MoveNextAsync().AsTask(), cancellationToken))
        {
            silence.CancelAfter(LongestSilence);
            if (events.Current.Data == "[DONE]")
                yield break;
            if (await ExplainedAsync(() => Task.FromResult(TokenOf(events.Current.Data)), cancellationToken) is { Length: > 0 } token)
                yield return token;
        }

        throw new ModelException("its answer broke off");
    }

    public void Dispose()
    {
        _http.Dispose();
    }

    private async Task<HttpResponseMessage> AskAsync(string instruction, string material, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint.Completions)
        {
            Content = JsonContent.Create(
                new ChatRequest(endpoint.Model, [new ChatMessage("system", instruction), new ChatMessage("user", material)], Stream: true),
                ChatJson.Default.ChatRequest),
        };
        if (!string.IsNullOrEmpty(endpoint.Key))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", endpoint.Key);
        var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.IsSuccessStatusCode)
            return response;
        response.Dispose();
        throw new ModelException($"it answered {(int)response.StatusCode} {response.ReasonPhrase}");
    }

    private static string? TokenOf(string data)
    {
        using var chunk = JsonDocument.Parse(data);
        if (chunk.RootElement.TryGetProperty("error", out var error))
            throw new ModelException($"it reported: {(error.TryGetProperty("message", out var message) ? message : error)}");
        // The last chunk can contain usage numbers and no choice.
        return chunk.RootElement.TryGetProperty("choices", out var choices) && choices.GetArrayLength() > 0
            && choices[0].TryGetProperty("delta", out var delta) && delta.TryGetProperty("content", out var content)
            ? content.GetString() : null;
    }

    private static async Task<T> ExplainedAsync<T>(Func<Task<T>> step, CancellationToken cancellationToken)
    {
        try
        {
            return await step();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ModelException($"it was silent for {LongestSilence.TotalSeconds} seconds");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException or InvalidOperationException)
        {
            throw new ModelException(exception.Message, exception);
        }
    }
}

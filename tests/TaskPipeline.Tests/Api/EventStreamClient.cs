using System.Net;
using System.Text.Json;

namespace TaskPipeline.Tests.Api;

/// <summary>Reads server-sent events off the wire, comments and all.</summary>
internal sealed class EventStreamClient : IAsyncDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private readonly HttpResponseMessage _answer;
    private readonly StreamReader _reader;
    private readonly List<(string Id, string Data)> _events = [];

    private EventStreamClient(HttpResponseMessage answer, Stream content) => (_answer, _reader) = (answer, new StreamReader(content));

    public HttpResponseMessage Answer => _answer;

    public HttpStatusCode Status => _answer.StatusCode;

    /// <summary>Lines that are no events, such as <c>retry:</c>.</summary>
    public List<string> Others { get; } = [];

    public IReadOnlyList<(string Id, string Data)> Events => _events;

    public IEnumerable<string> Types => _events.Select(told => JsonElement.Parse(told.Data).GetProperty("type").GetString()!);

    public IEnumerable<long> Seqs => _events.Select(told => JsonElement.Parse(told.Data)).Where(told => WatchClient.TypeOf(told) == "lines")
        .SelectMany(told => told.GetProperty("lines").EnumerateArray()).Select(line => line.GetProperty("seq").GetInt64());

    public static async Task<EventStreamClient> OpenAsync(ApiUnderTest api, string path, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Add("Accept", "text/event-stream");
        if (lastEventId is not null)
            request.Headers.Add("Last-Event-ID", lastEventId);
        var answer = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return new EventStreamClient(answer, await answer.Content.ReadAsStreamAsync());
    }

    /// <summary>Null: the stream is over.</summary>
    public async Task<(string Id, string Data)?> NextAsync()
    {
        using var limit = new CancellationTokenSource(MaxWait);
        string? id = null;
        string? data = null;
        while (await _reader.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
                id = line[4..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
                data = line[6..];
            else if (line.Length > 0)
                Others.Add(line);
            else if (data is not null)
            {
                _events.Add((id!, data));
                return (id!, data);
            }
        }
        return null;
    }

    /// <summary>The next comment, with what comes before it passed over.</summary>
    public async Task<string> NextCommentAsync()
    {
        using var limit = new CancellationTokenSource(MaxWait);
        while (await _reader.ReadLineAsync(limit.Token) is { } line)
            if (line.StartsWith(':'))
                return line;
        throw new InvalidOperationException("The stream is over");
    }

    public async Task<EventStreamClient> ToTheEndAsync()
    {
        while (await NextAsync() is not null)
        {
        }
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        _reader.Dispose();
        _answer.Dispose();
        await ValueTask.CompletedTask;
    }
}

using System.Diagnostics;

namespace TaskPipeline.Taskpipe;

/// <summary>The server's time, by its latest answer. The clock of this machine can be wrong, and ages with it.</summary>
internal sealed class ServerClock : IDisposable
{
    private DateTimeOffset? _serverTime;
    private long _serverTimeReadAt;

#pragma warning disable CA2000 // The client ends its handlers.
    public ServerClock() => Http = new HttpClient(new Listener(this, new SocketsHttpHandler()));
#pragma warning restore CA2000

    /// <summary>Reads the time from every answer.</summary>
    public HttpClient Http { get; }

    public DateTimeOffset Now => _serverTime is { } time ? time + Stopwatch.GetElapsedTime(_serverTimeReadAt) : DateTimeOffset.UtcNow;

    public void Dispose() => Http.Dispose();

    private sealed class Listener(ServerClock clock, HttpMessageHandler connections) : DelegatingHandler(connections)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var answer = await base.SendAsync(request, cancellationToken);
            if (answer.Headers.Date is { } date)
                (clock._serverTime, clock._serverTimeReadAt) = (date, Stopwatch.GetTimestamp());
            return answer;
        }
    }
}

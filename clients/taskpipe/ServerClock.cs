using System.Diagnostics;

namespace TaskPipeline.Taskpipe;

/// <summary>The server's time, as its latest answer tells: ages by the clock of this machine would be as wrong as that is.</summary>
internal sealed class ServerClock : IDisposable
{
    private DateTimeOffset? _told;
    private long _toldAt;

#pragma warning disable CA2000 // The client ends its handlers.
    public ServerClock() => Http = new HttpClient(new Listener(this, new SocketsHttpHandler()));
#pragma warning restore CA2000

    /// <summary>What hears the time.</summary>
    public HttpClient Http { get; }

    public DateTimeOffset Now => _told is { } told ? told + Stopwatch.GetElapsedTime(_toldAt) : DateTimeOffset.UtcNow;

    public void Dispose() => Http.Dispose();

    private sealed class Listener(ServerClock clock, HttpMessageHandler connections) : DelegatingHandler(connections)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var answer = await base.SendAsync(request, cancellationToken);
            if (answer.Headers.Date is { } date)
                (clock._told, clock._toldAt) = (date, Stopwatch.GetTimestamp());
            return answer;
        }
    }
}
